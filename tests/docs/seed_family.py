"""Clause by clause, what the packages this one replaces do, and the test that shows that ours does it too."""

from __future__ import annotations

CLAUSES: dict[str, tuple[tuple[str, str], ...]] = {
    "The article's API": (
        (
            'warmer = CacheWarmer(client=anthropic_client, model="claude-sonnet-4-6")',
            'tests/contract/test_library_article.py::test_the_first_usage_warms_and_says_what_came_of_it',
        ),
        (
            'warmer.add(system_prompt=LONG_SYSTEM_PROMPT, seed_messages=[{"role": "user", "content": "ping"}], tools=TOOL_SCHEMAS)',
            'tests/contract/test_library_article.py::test_the_first_usage_warms_and_says_what_came_of_it',
        ),
        (
            'result = warmer.warm()',
            'tests/contract/test_library_article.py::test_the_first_usage_warms_and_says_what_came_of_it',
        ),
        (
            'result.cache_creation_tokens, result.cache_read_tokens, result.input_tokens, result.output_tokens, result.estimated_savings',
            'tests/contract/test_library_article.py::test_the_first_usage_warms_and_says_what_came_of_it',
        ),
        (
            'print(f"{result.cache_creation_tokens} tokens cached, saves ${result.estimated_savings:.4f} on the first 100 requests")',
            'tests/contract/test_library_article.py::test_the_first_usage_prints_as_the_article_does',
        ),
        (
            'schedule = WarmSchedule(warmer=warmer, interval_seconds=240); schedule.start()',
            'tests/contract/test_library_article.py::test_the_second_usage_warms_in_the_background',
        ),
        (
            'background thread; and stop(), and `with`',
            'tests/contract/test_library_article.py::test_the_second_usage_warms_in_the_background',
        ),
        (
            "The third usage it shows is the `schedule` package's own loop: `schedule.every(4).minutes.do(warmer.warm)` with `run_pending()` once a second. It must work too (test dependency).",
            'tests/contract/test_library_article.py::test_the_third_usage_runs_in_the_schedule_packages_loop',
        ),
        (
            'Its advice is ours to give at load time: not worth it under about 5,000 tokens; not for prompts that change per user or request (a timestamp or uuid in the prefix is the sign).',
            'tests/unit/test_library_arguments.py::test_advice_is_given_when_a_target_is_added',
        ),
        (
            'several models at once',
            'tests/unit/test_library_warmer.py::test_several_models_are_called_at_once',
        ),
        (
            'an async warm',
            'tests/unit/test_library_warmer.py::test_an_asynchronous_warmer_does_the_same_with_await',
        ),
        (
            'recording creation and read tokens over time',
            'tests/unit/test_library_tracker.py::test_tokens_over_time',
        ),
        (
            'noticing when the ratio drops',
            'tests/unit/test_library_tracker_alerts.py::test_a_prefix_that_is_not_read_any_more_is_told',
        ),
        (
            'noticing when the ratio drops',
            'tests/unit/test_library_tracker_alerts.py::test_a_prompt_that_changes_with_every_call_is_told',
        ),
        (
            "Its arithmetic is wrong: 50K tokens at 0.30 instead of 3.00 USD/MTok save 0.135 USD per *hit* (13.50 per 100), and a ping that reads reports zero savings. Ours is right and net of the warm calls' own cost.",
            'tests/unit/test_library_warmer.py::test_savings_are_per_hit_and_net_of_every_call',
        ),
    ),
    'prompt-cache-warmer': (
        (
            'System as string or blocks',
            'tests/unit/test_library_breakpoints.py::test_a_text_is_one_block_and_blocks_stay_blocks',
        ),
        (
            'N breakpoints evenly spaced, last block always',
            'tests/unit/test_library_breakpoints.py::test_places_are_spread_evenly',
        ),
        (
            'at most 4 **in total**',
            'tests/unit/test_library_breakpoints.py::test_there_are_never_more_than_four',
        ),
        (
            'existing markers kept, ttl included',
            'tests/unit/test_library_breakpoints.py::test_what_is_marked_stays_as_it_is',
        ),
        (
            'default ping text or own messages; tools; settable max_tokens',
            'tests/unit/test_library_warmer.py::test_a_call_is_the_engines_own_warm_call',
        ),
        (
            'an optional verifying second call (ours waits at least 2 s and its cost is counted)',
            'tests/unit/test_library_warmer.py::test_a_verifying_call_waits_two_seconds_and_is_paid_for',
        ),
        (
            'result with model, token counts, both latencies, cost, raw responses',
            'tests/unit/test_library_warmer.py::test_a_result_has_everything_a_reader_asks_for',
        ),
        (
            'overridable prices, cost `None` for unknown models',
            'tests/unit/test_library_warmer.py::test_an_unknown_price_is_unknown',
        ),
        (
            'own client or a callable transport',
            'tests/contract/test_library_clients.py::test_any_synchronous_client_warms_and_proves_it',
        ),
        (
            'own client or a callable transport, anything else `TypeError`',
            'tests/unit/test_library_arguments.py::test_a_bad_argument_is_named',
        ),
        (
            'dict or object responses, missing usage accepted',
            'tests/unit/test_library_warmer.py::test_answers_may_be_dictionaries_or_objects',
        ),
        (
            'transport errors propagate',
            'tests/unit/test_library_warmer.py::test_what_the_transport_raises_comes_out_as_it_is',
        ),
        (
            '3 existing markers + 4 gives 6',
            'tests/unit/test_library_breakpoints.py::test_three_markers_and_four_more_are_four',
        ),
        (
            'verify cost left out',
            'tests/unit/test_library_warmer.py::test_a_verifying_call_waits_two_seconds_and_is_paid_for',
        ),
        (
            '`prices={}` ignored',
            'tests/unit/test_library_warmer.py::test_prices_can_be_ones_own',
        ),
        (
            'Opus prices 3 times too high',
            'tests/unit/test_library_warmer.py::test_opus_costs_what_it_costs',
        ),
    ),
    'cachebench': (
        (
            'Wrap a sync or async call',
            'tests/unit/test_library_tracker.py::test_a_synchronous_call_stays_synchronous',
        ),
        (
            'Wrap a sync or async call',
            'tests/unit/test_library_tracker.py::test_an_asynchronous_call_stays_awaitable',
        ),
        (
            'per-call metrics (prefix id, tokens, elapsed)',
            'tests/unit/test_library_tracker.py::test_every_call_has_its_metrics',
        ),
        (
            'hit ratio = read / (read + creation), defined when nothing was cached',
            'tests/unit/test_library_tracker.py::test_the_hit_ratio',
        ),
        (
            'cost and cost saved per call',
            'tests/unit/test_library_tracker.py::test_cost_and_savings_of_each_call',
        ),
        (
            'alert threshold + hook whose exceptions never break the call',
            'tests/unit/test_library_tracker_alerts.py::test_a_hook_that_fails_breaks_nothing',
        ),
        (
            'miss-aware delayed retry',
            'tests/unit/test_library_tracker_alerts.py::test_a_miss_right_after_the_first_write_is_called_once_more',
        ),
        (
            'aggregates, by prefix',
            'tests/unit/test_library_tracker.py::test_sums_by_prefix',
        ),
        (
            'aggregates, by prefix, over a time window',
            'tests/unit/test_library_tracker.py::test_sums_of_everything',
        ),
        (
            'over a time window',
            'tests/unit/test_library_tracker.py::test_sums_over_a_time_window',
        ),
        (
            'Anthropic, OpenAI and Bedrock usage shapes',
            'tests/unit/test_library_tracker_shapes.py::test_usage_is_read_in_every_providers_words',
        ),
        (
            'price override',
            'tests/unit/test_library_tracker.py::test_prices_of_ones_own',
        ),
        (
            'bounded history',
            'tests/unit/test_library_tracker.py::test_history_is_bounded_and_the_sum_is_not',
        ),
        (
            'thread safety',
            'tests/unit/test_library_tracker_threads.py::test_200_threads_on_one_tracker_lose_nothing',
        ),
        (
            'Their defects: 1h writes priced as 5m',
            'tests/unit/test_library_tracker.py::test_an_hours_write_costs_an_hours_write',
        ),
        (
            'one price for all models',
            'tests/unit/test_library_tracker.py::test_every_model_has_its_own_price',
        ),
        (
            'alerts and paid retries on every ordinary cold write',
            'tests/unit/test_library_tracker_alerts.py::test_ordinary_cold_writes_alert_nobody_and_cost_nothing_more',
        ),
    ),
    'prompt-cache-key': (
        (
            '`anthropic-cache:{model}:sha256:{hex}` over model, tools, system',
            'tests/unit/test_library_cache_key.py::test_a_key_is_the_same_for_ever',
        ),
        (
            'over model, tools, system',
            'tests/unit/test_library_cache_key.py::test_another_prefix_has_another_key',
        ),
        (
            '`find_breakpoints`',
            'tests/unit/test_library_breakpoints.py::test_breakpoints_are_found_where_they_are',
        ),
        (
            '`scope_blocks` (up to the last marker)',
            'tests/unit/test_library_breakpoints.py::test_the_scope_ends_with_the_last_marker',
        ),
        (
            'deterministic across processes',
            'tests/unit/test_library_cache_key.py::test_every_process_computes_the_same_key',
        ),
        (
            'insensitive to key order, with a strict mode that is sensitive (the API is)',
            'tests/unit/test_library_cache_key.py::test_key_order_counts_in_strict_mode_only',
        ),
        (
            'insensitive to key order',
            'tests/unit/test_library_cache_key.py::test_the_order_of_no_objects_keys_counts_by_default',
        ),
        (
            'Beyond: insensitive to ttl and to string-versus-block form',
            'tests/unit/test_library_cache_key.py::test_ttl_and_form_of_a_text_are_in_no_key',
        ),
        (
            'includes thinking and effort',
            'tests/unit/test_library_cache_key.py::test_thinking_and_effort_are_in_the_key',
        ),
        (
            'optional workspace and region',
            'tests/unit/test_library_cache_key.py::test_where_the_cache_is_kept_can_be_in_the_key',
        ),
    ),
    'llm-cost-cap': (
        (
            '`estimate` (input, output, cached input, **cache write**)',
            'tests/unit/test_library_cost_cap.py::test_each_kind_of_token_has_its_own_cost',
        ),
        (
            '`check` raising with estimate, cap and model',
            'tests/unit/test_library_cost_cap.py::test_a_call_over_the_cap_is_refused',
        ),
        (
            '`run` gating a call',
            'tests/unit/test_library_cost_cap.py::test_a_call_is_made_when_it_is_within_the_cap',
        ),
        (
            '`run` gating a call',
            'tests/unit/test_library_cost_cap.py::test_nothing_is_called_when_it_is_over_the_cap',
        ),
        (
            'own prices and models',
            'tests/unit/test_library_cost_cap.py::test_prices_of_ones_own_stand_in_place_of_the_known_ones',
        ),
        (
            'unknown model is an error',
            'tests/unit/test_library_cost_cap.py::test_an_unknown_model_is_refused',
        ),
        (
            'negatives refused',
            'tests/unit/test_library_cost_cap.py::test_a_cap_that_is_no_amount_is_refused',
        ),
        (
            'negatives refused',
            'tests/unit/test_library_cost_cap.py::test_negative_tokens_are_refused',
        ),
        (
            'known models listed',
            'tests/unit/test_library_cost_cap.py::test_known_models_are_listed',
        ),
        (
            'the breakdown adds up',
            'tests/unit/test_library_cost_cap.py::test_the_breakdown_is_the_engines_price',
        ),
        (
            'the breakdown adds up',
            'tests/unit/test_library_cost_cap.py::test_the_parts_are_at_the_tier_of_the_whole_call',
        ),
    ),
    'token-budget-pool': (
        (
            'Caps on input, output, total tokens and USD',
            'tests/contract/test_pool_contract.py::test_each_cap_holds_to_the_last_token_and_pico',
        ),
        (
            'none = unlimited and 0 = nothing',
            'tests/contract/test_pool_contract.py::test_no_cap_is_unlimited_and_a_cap_of_0_is_nothing',
        ),
        (
            'atomic record, unchanged on breach',
            'tests/contract/test_pool_contract.py::test_one_full_cap_keeps_everything_as_it_was',
        ),
        (
            'the error names the cap',
            'tests/contract/test_pool_contract.py::test_each_cap_holds_to_the_last_token_and_pico',
        ),
        (
            'the error names the cap',
            'tests/unit/test_library_budget_pool.py::test_the_error_says_which_cap_and_by_how_much',
        ),
        (
            'reserve / commit / release',
            'tests/contract/test_pool_contract.py::test_a_call_reserves_and_commits_what_it_used',
        ),
        (
            'reserve / commit / release',
            'tests/contract/test_pool_contract.py::test_a_release_gives_back_what_was_held',
        ),
        (
            'reserve / commit / release with automatic release',
            'tests/contract/test_pool_contract.py::test_a_with_releases_what_was_not_committed',
        ),
        (
            'snapshot with remaining',
            'tests/contract/test_pool_contract.py::test_a_snapshot_shows_each_cap',
        ),
        (
            'snapshot with remaining',
            'tests/unit/test_library_budget_pool.py::test_remaining_is_shown_per_cap',
        ),
        (
            'reset with generation',
            'tests/contract/test_pool_contract.py::test_a_reset_starts_a_new_generation',
        ),
        (
            'thread safety',
            'tests/contract/test_pool_races.py::test_200_threads_lose_nothing_in_five_seconds',
        ),
        (
            'over-commit and negatives refused',
            'tests/contract/test_pool_contract.py::test_an_overrun_is_counted_past_the_cap',
        ),
        (
            'over-commit and negatives refused',
            'tests/unit/test_library_budget_pool.py::test_an_overrun_is_refused_and_counted',
        ),
        (
            'over-commit and negatives refused',
            'tests/unit/test_library_budget_pool.py::test_negative_amounts_are_refused',
        ),
        (
            'negatives refused',
            'tests/unit/test_library_budget_pool.py::test_negative_caps_are_refused',
        ),
        (
            'Beyond: durable and shared across Lambda runs and processes (DynamoDB), same interface',
            'tests/contract/test_pool_contract.py::test_a_pool_outlives_its_process',
        ),
        (
            'durable and shared across Lambda runs and processes (DynamoDB)',
            'tests/contract/test_pool_races.py::test_processes_share_a_pool',
        ),
    ),
    'agentfit': (
        (
            'Fit messages into a token budget: tail',
            'tests/unit/test_library_fitting.py::test_tail',
        ),
        (
            'drop-oldest',
            'tests/unit/test_library_fitting.py::test_drop_oldest',
        ),
        (
            'drop-middle',
            'tests/unit/test_library_fitting.py::test_drop_middle',
        ),
        (
            'priority',
            'tests/unit/test_library_fitting.py::test_priority',
        ),
        (
            'keep system',
            'tests/unit/test_library_fitting.py::test_keep_system',
        ),
        (
            'first N, last N',
            'tests/unit/test_library_fitting.py::test_keep_first_and_last',
        ),
        (
            'own tokenizer with a default',
            'tests/unit/test_library_fitting.py::test_own_tokenizer',
        ),
        (
            'precomputed counts',
            'tests/unit/test_library_fitting.py::test_precomputed_counts',
        ),
        (
            'result with dropped, before, after, budget, truncated',
            'tests/unit/test_library_fitting.py::test_result',
        ),
        (
            'over-budget error or partial',
            'tests/unit/test_library_fitting.py::test_over_budget_is_an_error',
        ),
        (
            'validation',
            'tests/unit/test_library_fitting_validation.py::test_value_that_is_not_allowed',
        ),
        (
            'Beyond: content blocks',
            'tests/unit/test_library_fitting.py::test_content_blocks',
        ),
        (
            'tool_use/tool_result pairs kept together',
            'tests/unit/test_library_fitting.py::test_tool_pairs',
        ),
        (
            'and **never cutting inside the cached prefix**',
            'tests/unit/test_library_fitting.py::test_cached_prefix',
        ),
    ),
}
