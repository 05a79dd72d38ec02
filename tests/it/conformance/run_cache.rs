//! The run cache, reports and locks.

use super::case::play;

#[test]
fn case_75_going_back_to_an_earlier_parameter_restores_its_result() {
    play(75);
}

#[test]
fn case_76_of_several_results_for_the_same_work_one_is_restored() {
    play(76);
}

#[test]
fn case_77_an_uncached_output_keeps_a_result_out_of_the_run_cache_an_uncached_metric_does_not() {
    play(77);
}

#[test]
fn case_78_all_reasons_of_a_stage_are_told_together() {
    play(78);
}
