"""Run every benchmark; a module of its own because spawned processes do not import a ``__main__``."""

from tests.bench import cold_start_page, overhead, pacing, replay, run_page

if __name__ == "__main__":
    replay.main()
    overhead.main()
    run_page.main()
    cold_start_page.main()
    pacing.main()
