"""Run every benchmark; a module of its own because spawned processes do not import a ``__main__``."""

from tests.bench import cold_start_page, overhead, pacing, replay

replay.main()
overhead.main()
cold_start_page.main()
pacing.main()
