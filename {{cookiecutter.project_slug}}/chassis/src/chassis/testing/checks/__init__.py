"""Tests that every service must pass: `from chassis.testing.checks import *` in its `tests/test_service.py`.

They ask for the fixtures `settings` and `app` of the service, and assume nothing of its routes, errors or callers. One
that a service has a reason not to pass is left out by `del test_…` below the import.
"""

from chassis.testing.checks.application import (
    test_each_route_has_the_class_that_it_needs,
    test_the_document_is_named_after_the_project,
    test_the_pools_are_closed_with_the_application,
    test_two_applications_live_in_one_process,
)
from chassis.testing.checks.env_example import (
    test_the_example_has_the_settings_and_their_defaults,
    test_the_example_sets_nothing,
)
from chassis.testing.checks.lock import test_the_chassis_is_nobody_elses_package
from chassis.testing.checks.migrations import (
    empty,
    test_there_is_one_head,
    test_up_down_up_leaves_nothing_and_the_models_in_step,
)
from chassis.testing.checks.process import (
    test_a_service_without_its_database_starts,
    test_the_service_keeps_the_promises_of_its_document,
    test_wrong_settings_end_the_start_with_a_line_each_and_exit_code_78,
)
from chassis.testing.checks.rules import (
    test_no_relationship_loads_by_itself,
    test_nothing_happens_at_import_time,
    test_only_the_faces_of_the_chassis_are_imported,
    test_what_decides_knows_nothing_of_http,
    test_what_the_chassis_does_is_not_done_again,
)

__all__ = [
    "empty",
    "test_a_service_without_its_database_starts",
    "test_each_route_has_the_class_that_it_needs",
    "test_no_relationship_loads_by_itself",
    "test_nothing_happens_at_import_time",
    "test_only_the_faces_of_the_chassis_are_imported",
    "test_the_chassis_is_nobody_elses_package",
    "test_the_document_is_named_after_the_project",
    "test_the_example_has_the_settings_and_their_defaults",
    "test_the_example_sets_nothing",
    "test_the_pools_are_closed_with_the_application",
    "test_the_service_keeps_the_promises_of_its_document",
    "test_there_is_one_head",
    "test_two_applications_live_in_one_process",
    "test_up_down_up_leaves_nothing_and_the_models_in_step",
    "test_what_decides_knows_nothing_of_http",
    "test_what_the_chassis_does_is_not_done_again",
    "test_wrong_settings_end_the_start_with_a_line_each_and_exit_code_78",
]
