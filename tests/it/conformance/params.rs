//! Parameters.

use super::case::play;

#[test]
fn case_56_a_tracked_key_runs_the_stages_that_track_it() {
    play(56);
}

#[test]
fn case_57_an_untracked_key_of_the_same_file_changes_nothing() {
    play(57);
}

#[test]
fn case_58_a_tracked_block_changes_with_what_is_in_it() {
    play(58);
}

#[test]
fn case_59_keys_of_a_second_file_are_tracked_in_yaml_json_and_toml() {
    play(59);
}

#[test]
fn case_60_of_a_whole_file_every_added_removed_and_changed_key_is_named() {
    play(60);
}

#[test]
fn case_61_a_tracked_key_that_is_absent_is_a_reason_and_then_an_error_that_names_key_and_file() {
    play(61);
}

#[test]
fn case_62_an_empty_parameter_file_differs_from_one_that_was_never_seen() {
    play(62);
}

/// DVC reads a parameter file when its reader begins, so a stage may write it.
#[test]
fn a_parameter_file_that_a_stage_writes_is_read_when_its_reader_begins() {
    let project = crate::project::Project::empty();
    let pipeline = "
stages:
  tune: {cmd: 'echo \"best: {depth: $(cat in.txt)}\" > best.yaml', deps: [in.txt], outs: [best.yaml]}
  fit: {cmd: cp best.yaml fit.txt, params: [best.yaml: [best.depth]], outs: [fit.txt]}
";
    project.write("dvc.yaml", pipeline);
    project.write("in.txt", "3\n");
    let all = |outcome| crate::project::outcomes([("fit", outcome), ("tune", outcome)]);
    assert_eq!(project.outcomes(&[]), all("ran"));
    assert_eq!(project.outcomes(&[]), all("fresh"), "the value that was used is the one that is recorded");
    project.write("in.txt", "4\n");
    assert_eq!(project.outcomes(&[]), all("ran"));
    assert_eq!(project.read("fit.txt"), "best: {depth: 4}\n");
    assert_eq!(project.outcomes(&[]), all("fresh"));
}
