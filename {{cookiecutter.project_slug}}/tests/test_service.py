"""What every service must pass: chassis/src/chassis/testing/checks. To leave one out: `del test_…`, and say why."""

from chassis.testing.checks import *  # noqa: F403 - Each is a test.
