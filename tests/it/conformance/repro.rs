//! What `repro` runs.

use super::case::play;

#[test]
fn case_01_a_chain_that_never_ran_runs_in_dependency_order() {
    play(1);
}

#[test]
fn case_02_on_a_clean_pipeline_nothing_runs_and_the_lock_keeps_its_bytes() {
    play(2);
}

#[test]
fn case_03_a_changed_source_runs_its_stage_and_what_is_affected_nothing_else() {
    play(3);
}

#[test]
fn case_04_a_new_time_on_the_same_bytes_changes_nothing() {
    play(4);
}

#[test]
fn case_05_another_spacing_of_the_command_is_another_command() {
    play(5);
}

#[test]
fn case_06_equal_bytes_stop_the_wave() {
    play(6);
}

#[test]
fn case_07_an_added_dependency_is_a_change() {
    play(7);
}

#[test]
fn case_08_an_added_output_is_a_change() {
    play(8);
}

#[test]
fn case_09_another_path_with_equal_bytes_is_a_change() {
    play(9);
}

#[test]
fn case_10_a_lost_lock_and_lost_outputs_come_back_without_running() {
    play(10);
}

#[test]
fn case_11_a_dependency_that_nobody_makes_fails_before_the_command_starts() {
    play(11);
}

#[test]
fn case_12_an_output_that_is_not_written_fails_the_stage() {
    play(12);
}

#[test]
fn case_13_the_first_failing_command_of_a_list_ends_the_stage() {
    play(13);
}

#[test]
fn case_14_a_text_of_several_lines_is_a_list_of_commands() {
    play(14);
}

#[test]
fn case_15_after_a_failure_is_mended_only_the_failed_and_later_stages_run() {
    play(15);
}

#[test]
fn case_16_keep_going_finishes_the_independent_branch_and_names_what_it_skipped() {
    play(16);
}

#[test]
fn case_17_ignore_errors_goes_on_behind_a_failure() {
    play(17);
}

#[test]
fn case_18_a_deleted_output_comes_from_the_cache() {
    play(18);
}

#[test]
fn case_19_a_hand_edit_of_an_output_is_reported_and_undone() {
    play(19);
}

#[test]
fn case_20_an_output_directory_starts_empty() {
    play(20);
}

#[test]
fn case_21_a_persistent_output_is_there_when_the_command_starts() {
    play(21);
}

#[test]
fn case_22_a_nested_file_of_a_directory_dependency_counts() {
    play(22);
}

#[test]
fn case_23_a_file_added_to_or_removed_from_a_directory_dependency_counts() {
    play(23);
}

#[test]
fn case_24_a_file_within_another_stage_s_output_directory_orders_the_two() {
    play(24);
}

#[test]
fn case_25_a_directory_that_holds_several_stages_outputs_waits_for_all_of_them() {
    play(25);
}

#[test]
fn case_26_a_stage_with_inputs_and_no_outputs_runs_once() {
    play(26);
}

#[test]
fn case_27_a_stage_with_neither_inputs_nor_outputs_runs_every_time() {
    play(27);
}

#[test]
fn case_28_always_changed_runs_every_time_whatever_the_cache_holds() {
    play(28);
}

#[test]
fn case_29_a_frozen_stage_is_not_run_and_its_upstream_not_followed() {
    play(29);
}

#[test]
fn case_30_freezing_and_unfreezing_changes_nothing() {
    play(30);
}

#[test]
fn case_31_a_frozen_stage_without_inputs_runs_once_it_is_unfrozen() {
    play(31);
}

#[test]
fn case_32_a_frozen_stage_with_another_command_is_not_run_not_even_by_force() {
    play(32);
}

#[test]
fn case_33_force_runs_the_target_and_everything_upstream_of_it() {
    play(33);
}

#[test]
fn case_34_single_item_runs_the_named_stages_only_in_the_order_given() {
    play(34);
}

#[test]
fn case_35_downstream_runs_a_stage_and_what_depends_on_it() {
    play(35);
}

#[test]
fn case_36_downstream_keeps_the_order_of_the_graph() {
    play(36);
}

#[test]
fn case_37_force_downstream_runs_what_follows_a_stage_that_ran_equal_bytes_or_not() {
    play(37);
}

#[test]
fn case_38_pipeline_runs_the_whole_connected_part_of_the_graph() {
    play(38);
}

#[test]
fn case_39_all_pipelines_runs_the_disconnected_parts_too() {
    play(39);
}

#[test]
fn case_40_glob_takes_patterns() {
    play(40);
}

#[test]
fn case_41_a_dry_run_names_what_would_run_and_changes_nothing() {
    play(41);
}

#[test]
fn case_42_a_dry_run_of_a_chain_that_never_ran_lists_all_of_it() {
    play(42);
}

#[test]
fn case_43_no_commit_locks_and_stores_nothing() {
    play(43);
}

#[test]
fn case_44_allow_missing_takes_absent_data_for_unchanged() {
    play(44);
}

#[test]
fn case_45_allow_missing_does_not_hide_that_an_absent_input_is_another_one() {
    play(45);
}

#[test]
fn case_46_an_unknown_target_is_named() {
    play(46);
}
