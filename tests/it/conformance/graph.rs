//! The graph and the shape of the file.

use super::case::play;

#[test]
fn case_47_a_cycle_names_its_stages() {
    play(47);
}

#[test]
fn case_48_two_stages_with_one_output_are_named() {
    play(48);
}

#[test]
fn case_49_an_output_within_another_output_names_both() {
    play(49);
}

#[test]
fn case_50_a_path_cannot_be_read_and_written_by_one_stage() {
    play(50);
}

#[test]
fn case_51_a_wrong_shape_is_refused_with_key_line_and_column() {
    play(51);
}

#[test]
fn case_52_a_key_written_twice_names_both_lines() {
    play(52);
}

#[test]
fn case_53_descriptions_meta_and_comments_change_nothing() {
    play(53);
}

#[test]
fn case_54_the_order_of_dependencies_and_outputs_means_nothing() {
    play(54);
}

#[test]
fn case_55_an_uncached_output_may_become_a_metric_and_back() {
    play(55);
}
