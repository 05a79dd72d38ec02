//! `clinpipe plots`: pages and specifications of real projects.

use serde_json::{Value, json};

use crate::compare::commit;
use crate::project::Project;

const PIPELINE: &str = r#"
stages:
  train:
    cmd: "cp src/* ."
    deps: [src]
    plots:
      - roc.csv: {x: fpr, y: tpr, title: 'ROC </script><b>&"'}
      - loss.tsv: [{x: step, y: loss, template: simple}, {x: step, y: loss, template: smooth}]
      - classes.json: {x: actual, y: predicted, template: confusion_normalized, cache: false}
      - dot.png
    outs: [imp.yaml, late.csv]
plots:
  - imp.yaml: {x: gain, y: name, template: bar_horizontal_sorted}
  - both: {x: step, y: {late.csv: [loss, acc], loss.tsv: loss}, template: scatter}
  - figures
"#;

fn project() -> Project {
    let project = Project::new(PIPELINE);
    project.write(".gitignore", ".clinpipe/\nroc.csv\n");
    project.write("src/roc.csv", "fpr,tpr\n0,0\n0.5,0.8\n1,1\n");
    project.write("src/loss.tsv", "step\tloss\n0\t1\n1\t0.5\n2\t0.4\n3\t0.35\n");
    project.write("src/classes.json", r#"[{"actual": "cat", "predicted": "cat"}, {"actual": "dog", "predicted": "cat"}, {"actual": "dog", "predicted": "<dog>"}]"#);
    project.write("src/dot.png", "not really a png");
    project.write("src/imp.yaml", "- {name: age, gain: 3}\n- {name: sex, gain: 5.5}\n");
    project.write("src/late.csv", "step,loss,acc\n0,2,0.1\n1,x,0.3\n");
    project.write("figures/a.csv", "v\n1\n2\n");
    project.run(&["repro", "-q"]).succeeds();
    project
}

fn plots(project: &Project, args: &[&str]) -> Value {
    project.run(&[&["plots"], args, &["--json"]].concat()).succeeds().json()
}

#[test]
fn a_page_is_self_contained_escaped_and_the_same_each_time() {
    let project = project();
    let run = project.run(&["plots", "show", "-o", "out"]).succeeds();
    assert!(run.stdout.trim_end().ends_with("out/index.html"), "{}", run.stdout);
    let page = project.read("out/index.html");
    project.run(&["plots", "show", "-o", "again"]).succeeds();
    assert_eq!(page, project.read("again/index.html"));
    assert_eq!(page.matches("<figure ").count(), 8, "{page}");
    assert_eq!(page.matches("<svg role=\"img\"").count(), 7);
    // Nothing is loaded from elsewhere: the only addresses are names of formats.
    let mut rest = page.replace("http://www.w3.org/2000/svg", "");
    rest = rest.replace("https://vega.github.io/schema/vega-lite/v5.json", "");
    assert!(!rest.contains("://") && !rest.contains("@import") && !rest.contains("url("), "{rest}");
    assert!(page.contains("data:image/png;base64,bm90IHJlYWxseSBhIHBuZw=="));
    assert!(page.contains("ROC &lt;/script&gt;&lt;b&gt;&amp;&quot;") && !page.contains("ROC </script>"));
    assert!(!page.contains("<dog>") && page.contains("&lt;dog&gt;"));
    for script in page.split("<script type=\"application/json\" class=\"vega-lite\">").skip(1) {
        let text = script.split("</script>").next().unwrap();
        let spec: Value = serde_json::from_str(text).unwrap();
        assert_eq!(spec["$schema"], "https://vega.github.io/schema/vega-lite/v5.json");
    }
}

#[test]
fn every_template_has_its_specification() {
    let project = project();
    let data = plots(&project, &["show"])["data"].clone();
    let ids: Vec<&String> = data.as_object().unwrap().keys().collect();
    assert_eq!(ids, ["both", "classes.json", "dot.png", "figures/a.csv", "imp.yaml", "loss.tsv", "roc.csv"]);
    assert_eq!(data["dot.png"][0]["type"], "image");
    let values = |id: &str| data[id][0]["content"]["data"]["values"].clone();
    assert_eq!(values("roc.csv")[1], json!({"rev": "workspace", "series": "", "x": 0.5, "y": 0.8}));
    let cells = values("classes.json");
    assert_eq!(cells[1], json!({"rev": "workspace", "series": "", "x": "cat", "y": "cat", "count": 1, "share": 0.5}));
    assert_eq!(values("figures/a.csv")[1], json!({"rev": "workspace", "series": "", "x": 1, "y": 2}));
    assert_eq!(data["imp.yaml"][0]["content"]["encoding"]["y"]["sort"], "-x");
    let names: std::collections::BTreeSet<String> =
        values("both").as_array().unwrap().iter().map(|value| value["series"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["late.csv: acc", "late.csv: loss", "loss.tsv: loss"]);
    assert_eq!(data["loss.tsv"].as_array().map(Vec::len), Some(2), "one file drawn twice");
    assert_eq!(data["loss.tsv"][1]["content"]["transform"][0]["loess"], "y");
}

#[test]
fn revisions_lie_over_each_other() {
    let project = project();
    commit(&project, "one");
    project.write("src/roc.csv", "fpr,tpr\n0,0\n0.5,0.9\n1,1\n");
    project.write("figures/b.csv", "v\n3\n");
    project.run(&["repro", "-q"]).succeeds();
    let chart = plots(&project, &["diff", "--targets", "roc.csv", "figures"])["data"].clone();
    // roc.csv is not in git: the earlier bytes come through the earlier lock and the store.
    let roc: Vec<&Value> = chart["roc.csv"][0]["content"]["data"]["values"].as_array().unwrap().iter().collect();
    let at = |rev: &str| roc.iter().find(|value| value["rev"] == rev && value["x"] == 0.5).unwrap()["y"].clone();
    assert_eq!((at("HEAD"), at("workspace")), (json!(0.8), json!(0.9)));
    assert_eq!(chart["figures/b.csv"][0]["notes"], json!(["HEAD: there is no figures/b.csv"]));
    let page = project.run(&["plots", "diff", "HEAD", "-o", "out"]).succeeds();
    assert!(page.stderr.contains("note: figures/b.csv: HEAD: there is no figures/b.csv"), "{}", page.stderr);
    let text = project.read("out/index.html");
    assert!(text.contains("background:#0072b2\"></i>HEAD") && text.contains("background:#d55e00\"></i>workspace"));
    project.run(&["plots", "diff", "nosuch"]).exits(2);
}

#[test]
fn the_command_line_wins_and_mistakes_are_said() {
    let project = project();
    let args = ["plots", "show", "late.csv", "--show-vega", "-x", "loss", "-y", "acc", "-t", "scatter", "--title", "T"];
    let spec = project.run(&args).succeeds().json();
    assert_eq!((spec["title"].as_str(), spec["mark"]["type"].as_str()), (Some("T"), Some("point")));
    assert_eq!(spec["encoding"]["x"]["type"], "nominal", "`x` is no number");
    let missing = project.run(&["plots", "show", "late.csv", "-y", "nosuch", "--json"]).succeeds();
    assert!(missing.stderr.contains("has no column `nosuch`; it has step, loss, acc"), "{}", missing.stderr);
    for args in [
        &["show", "nosuch.csv"][..],
        &["show", "--show-vega"],
        &["show", "dot.png", "--show-vega"],
        &["show", "-t", "pie"],
    ] {
        let run = project.run(&[&["plots"], args].concat()).exits(2);
        assert!(run.stdout.is_empty() && run.stderr.contains("help:"), "{}{}", run.stdout, run.stderr);
    }
    assert!(!project.exists("clinpipe_plots"));
}

#[test]
fn much_data_is_thinned_and_that_is_said() {
    let project = Project::new("stages: {}\nplots: [big.csv]\n");
    let rows: Vec<String> = (0..20_001).map(|at| format!("{at},{}", at * 2)).collect();
    project.write("big.csv", &format!("a,b\n{}\n", rows.join("\n")));
    let run = project.run(&["plots", "show", "--show-vega", "big.csv", "-x", "a"]).succeeds();
    let values = run.json()["data"]["values"].as_array().unwrap().clone();
    assert_eq!((values.len(), values.last().unwrap()["x"].as_i64()), (5_000, Some(20_000)));
    assert!(run.stderr.contains("5000 of 20001 points are drawn"), "{}", run.stderr);
}
