//! Templates, foreach and matrix.

use super::case::play;

#[test]
fn case_63_templates_are_filled_from_params_yaml_and_vars_with_their_type_when_alone() {
    play(63);
}

#[test]
fn case_64_a_leaf_that_is_set_twice_names_key_and_both_sources() {
    play(64);
}

#[test]
fn case_65_an_unknown_name_tells_stage_and_field() {
    play(65);
}

#[test]
fn case_66_a_file_enters_vars_whole_or_in_parts() {
    play(66);
}

#[test]
fn case_67_a_mapping_in_cmd_becomes_flags_in_both_styles() {
    play(67);
}

#[test]
fn case_68_an_escaped_template_reaches_the_shell() {
    play(68);
}

#[test]
fn case_69_foreach_names_its_stages_by_value_index_or_key() {
    play(69);
}

#[test]
fn case_70_foreach_over_a_mapping_of_two_files_takes_the_members_of_both() {
    play(70);
}

#[test]
fn case_71_a_stage_s_vars_cannot_set_item_or_key() {
    play(71);
}

#[test]
fn case_72_matrix_joins_its_values_the_first_axis_varying_slowest() {
    play(72);
}

#[test]
fn case_73_the_name_of_a_group_stands_for_its_members() {
    play(73);
}

#[test]
fn case_74_each_member_reads_the_variables_of_its_own_directory() {
    play(74);
}
