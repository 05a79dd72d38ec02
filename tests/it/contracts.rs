//! The contracts of the five systems that clinpipe replaces: each one's documented request gets its documented answer
//! (fields, types, rounding, codes) from the bundle of its study, over a real socket.

use serde_json::{Value, json};

use crate::project::Project;
use crate::service::Service;

/// A study trained as far as its bundle, on a cohort and with candidates that take no time.
fn served(study: &str, settings: &[&str]) -> (Project, Service) {
    let project = Project::init(study);
    if let Some(variant) = settings.iter().find_map(|setting| setting.strip_prefix("variant ")) {
        let params = project.read(&format!("study/variants/{variant}.yaml"));
        project.write("study/params.yaml", &params);
    }
    let mut args = vec!["-C", "study", "repro", "bundle", "-q"];
    for setting in settings.iter().filter(|setting| !setting.starts_with("variant ")) {
        args.extend(["--set", setting]);
    }
    project.run(&args).succeeds();
    let service = Service::start(&project, &[]);
    (project, service)
}

fn fields(answer: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = answer.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// A number with at most so many decimals.
fn rounded(value: &Value, decimals: i32) -> bool {
    let scaled = value.as_f64().expect("a number") * 10f64.powi(decimals);
    (scaled - scaled.round()).abs() < 1e-6
}

fn with(record: &Value, field: &str, value: Value) -> Value {
    let mut record = record.clone();
    record[field] = value;
    record
}

fn without(record: &Value, field: &str) -> Value {
    let mut record = record.clone();
    record.as_object_mut().expect("an object").remove(field);
    record
}

/// The fields that a 422 names.
fn refused(service: &Service, record: &Value) -> Vec<String> {
    let (status, answer) = service.post("/predict", record);
    assert_eq!(status, 422, "{record}: {answer}");
    let errors = answer["errors"].as_array().expect("a list").clone();
    errors.iter().map(|error| error["field"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn treatment_outcome_answers_with_a_score_and_a_disclaimer() {
    let (_project, service) = served("outcome", &["train.models=[ridge]"]);
    let patient = json!({
        "Patient_ID": "P0001", "Age": 56, "Gender": "Male", "Condition": "Infection", "Drug_Name": "Ciprofloxacin",
        "Dosage_mg": 50, "Treatment_Duration_days": 37, "Side_Effects": "Nausea",
    });
    let (status, answer) = service.post("/predict", &patient);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(fields(&answer), ["Improvement_Score", "Patient_ID", "disclaimer", "model_version"]);
    assert_eq!(answer["Patient_ID"], "P0001");
    let score = answer["Improvement_Score"].as_f64().expect("a number");
    assert!((0.0..=10.0).contains(&score) && rounded(&answer["Improvement_Score"], 2), "{answer}");
    assert!(answer["disclaimer"].as_str().is_some_and(|text| text.contains("Not a diagnosis")));

    assert_eq!(refused(&service, &with(&patient, "Age", json!(90))), ["Age"]);
    assert_eq!(refused(&service, &with(&patient, "Dosage_mg", json!(75))), ["Dosage_mg"]);
    assert_eq!(refused(&service, &with(&patient, "Patient_ID", json!("0001"))), ["Patient_ID"]);
    assert_eq!(refused(&service, &without(&patient, "Gender")), ["Gender"]);
    // A combination that training has not seen is a remark here, as three legal ones are missing by chance.
    let unseen = with(&with(&patient, "Drug_Name", json!("Metformin")), "Side_Effects", json!("Rash"));
    let (status, answer) = service.post("/predict?answer=full", &unseen);
    assert_eq!((status, &answer["warnings"][0]["type"]), (200, &json!("combination")), "{answer}");

    let health = service.get("/health");
    assert_eq!((&health["model_loaded"], &health["model_version"]), (&json!(true), &answer["model_version"]));
    let form = service.get("/dropdown-values");
    assert_eq!(form["properties"]["Gender"]["enum"], json!(["Female", "Male"]));
    assert!(form["x-combinations"][0]["seen"].as_array().is_some_and(|seen| seen.len() > 100));
    let (_, metrics) = service.ask("GET", "/metrics", "");
    assert!(metrics.contains("predicted_value_bucket") && metrics.contains("model_info{"), "{metrics}");
    assert_eq!(service.stop(), Some(0));
}

fn volunteer() -> Value {
    json!({
        "patient_id": "P-0042", "age": 71, "gender": "Female", "treatment_group": "Placebo",
        "trial_phase": "Phase III", "days_in_trial": 120, "visits_completed": 1, "last_visit_day": 33,
        "adverse_events": 4,
    })
}

#[test]
fn trial_coordinators_get_a_clean_answer() {
    let (_project, service) = served("dropout", &["train.models=[logistic]"]);
    let (status, answer) = service.post("/predict", &volunteer());
    assert_eq!(status, 200, "{answer}");
    assert_eq!(fields(&answer), ["dropout_prediction", "patient_id", "recommended_action", "risk_level"]);
    assert!(answer["dropout_prediction"] == 0 || answer["dropout_prediction"] == 1);
    let actions = [
        ("Critical", "immediate_intervention"),
        ("High", "weekly_monitoring"),
        ("Moderate", "biweekly_check"),
        ("Low", "standard_protocol"),
    ];
    assert!(
        actions.iter().any(|(level, action)| answer["risk_level"] == *level && answer["recommended_action"] == *action)
    );
    assert_eq!(refused(&service, &with(&volunteer(), "last_visit_day", json!(121))), ["last_visit_day"]);
    assert_eq!(refused(&service, &with(&volunteer(), "age", json!(true))), ["age"]);
    let idle = with(&with(&volunteer(), "visits_completed", json!(0)), "last_visit_day", json!(0));
    let (status, answer) = service.post("/predict?answer=full", &idle);
    assert_eq!(status, 200, "{answer}");
    assert!(answer["warnings"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "rule")), "{answer}");

    let stats = service.get("/stats");
    let wanted = [
        "avg_latency_ms",
        "avg_probability",
        "model_version",
        "positive_predictions",
        "positive_rate",
        "session_id",
        "threshold",
        "total_predictions",
    ];
    assert!(wanted.iter().all(|name| !stats[name].is_null()), "{stats}");
    assert_eq!(stats["total_predictions"], 2);
    let health = service.get("/health");
    assert_eq!((&health["model_loaded"], &health["preprocessor_loaded"]), (&json!(true), &json!(true)));
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn trial_operations_get_probability_and_cost() {
    let (_project, service) = served("dropout", &["variant trial", "train.models=[logistic]"]);
    for path in ["/predict", "/predict/legacy"] {
        let (status, answer) = service.post(path, &volunteer());
        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            fields(&answer),
            [
                "dropout_prediction",
                "dropout_probability",
                "intervention_cost",
                "patient_id",
                "recommended_action",
                "risk_level"
            ]
        );
        let p = answer["dropout_probability"].as_f64().expect("a number");
        let (level, action, cost) = match p {
            p if p >= 0.75 => ("Critical", "retention_team_deployment", 500.0),
            p if p >= 0.55 => ("High", "nurse_doctor_consultation", 150.0),
            p if p >= 0.35 => ("Medium", "proactive_outreach", 45.0),
            _ => ("Low", "automated_sms_alert", 0.5),
        };
        assert_eq!((&answer["risk_level"], &answer["recommended_action"]), (&json!(level), &json!(action)));
        assert_eq!(answer["intervention_cost"], cost);
        assert!(rounded(&answer["dropout_probability"], 4));
    }
    let config = service.get("/config");
    assert_eq!(config["risk_levels"].as_array().map(Vec::len), Some(4));
    assert!(config["decision_threshold"].is_number() && config["model_source"].is_string());
    assert_eq!(refused(&service, &without(&volunteer(), "days_in_trial")), ["days_in_trial"]);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn stroke_is_answered_and_explained() {
    let (_project, service) = served("stroke", &["train.models=[gbdt]"]);
    let patient = json!({
        "gender": "Female", "age": 67.0, "hypertension": 1, "heart_disease": 0, "ever_married": "Yes",
        "work_type": "Private", "Residence_type": "Urban", "avg_glucose_level": 190.5, "bmi": 31.2,
        "smoking_status": "never smoked",
    });
    let (status, answer) = service.post("/predict", &patient);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(fields(&answer), ["prediction", "probability_stroke"]);
    assert!(rounded(&answer["probability_stroke"], 4));
    assert_eq!(service.post("/predict", &without(&patient, "bmi")).0, 200, "the BMI may be missing");

    let (status, explained) = service.post("/explain", &patient);
    assert_eq!(status, 200, "{explained}");
    assert_eq!(explained["probability_stroke"], answer["probability_stroke"]);
    let one = &explained["explanations"][0];
    let sum: f64 = explained["shap_values"].as_object().expect("by feature").values().filter_map(Value::as_f64).sum();
    let margin = one["margin"].as_f64().expect("a number");
    assert!((explained["base_value"].as_f64().expect("a number") + sum - margin).abs() < 1e-9, "{explained}");
    let sizes: Vec<f64> = one["contributions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["contribution"].as_f64().expect("a number").abs())
        .collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes[0] > 0.0, "{sizes:?}");

    assert_eq!(refused(&service, &with(&patient, "avg_glucose_level", json!(-1))), ["avg_glucose_level"]);
    assert_eq!(refused(&service, &with(&patient, "smoking_status", json!("sometimes"))), ["smoking_status"]);
    let health = service.get("/health");
    assert!(health["status"] == "ok" && health["model"].is_string() && health["threshold"].is_number(), "{health}");
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn patient_years_are_answered_alone_and_in_batches() {
    let (_project, service) = served("patient-year", &["generate.n=600", "train.models=[logistic]"]);
    let year = json!({
        "patient_id": "P000001", "year": 2024, "age": 71, "gender": "F", "bmi": 33.1, "systolic_bp": 151.0,
        "diastolic_bp": 91.0, "cholesterol": 243.0, "glucose": 131.0, "smoking_status": "Current", "num_visits": 6,
        "medications_count": 3, "lab_abnormal_flag": 1, "primary_diagnosis": "I10", "noise_feature_0": 0.1,
        "noise_feature_1": -0.4,
    });
    let (status, answer) = service.post("/predict", &year);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        fields(&answer),
        ["confidence", "model_version", "patient_id", "prediction", "probability", "timestamp"]
    );
    let p = answer["probability"].as_f64().expect("a number");
    let word = match (p - 0.5).abs() {
        far if far >= 0.3 => "High",
        far if far >= 0.1 => "Medium",
        _ => "Low",
    };
    assert_eq!(answer["confidence"], word);
    assert!(answer["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')));

    // The past is the request's own, in any order, and it counts.
    let past = json!([with(&year, "year", json!(2023)), with(&with(&year, "year", json!(2022)), "bmi", json!(22.0))]);
    let (status, changed) = service.post("/predict", &with(&year, "history", past.clone()));
    assert_eq!(status, 200, "{changed}");
    let turned = json!([past[1], past[0]]);
    let (_, same) = service.post("/predict", &with(&year, "history", turned));
    assert_eq!(changed["probability"], same["probability"]);
    assert_ne!(changed["probability"], answer["probability"]);

    let bad = with(&year, "diastolic_bp", json!("high"));
    for body in [json!([year, bad, year]), json!({"records": [year, bad, year]})] {
        let (status, batch) = service.post("/predict/batch", &body);
        assert_eq!((status, &batch["total_processed"], &batch["failed"]), (200, &json!(3), &json!(1)), "{batch}");
        assert!(batch["processing_time_seconds"].is_number());
        assert_eq!(batch["predictions"][0]["probability"], answer["probability"]);
        let failed = &batch["predictions"][1];
        assert_eq!((&failed["index"], &failed["errors"][0]["field"]), (&json!(1), &json!("diastolic_bp")));
        assert!(failed.get("probability").is_none(), "a failed record gets no number: {failed}");
    }
    let many = Value::Array(vec![json!({}); 1001]);
    assert_eq!(service.post("/predict/batch", &many).0, 413);
    assert_eq!(service.post("/predict/batch", &json!({"rows": []})).0, 422);

    let info = service.get("/model/info");
    let wanted = ["model_type", "algorithm", "threshold", "num_features", "feature_names", "training"];
    assert!(wanted.iter().all(|name| !info[name].is_null()), "{info}");
    assert_eq!(info["num_features"], json!(info["feature_names"].as_array().map(Vec::len)));
    assert!(service.get("/model/features")["properties"]["bmi"].is_object());
    let health = service.get("/health");
    assert!(health["uptime_seconds"].is_number() && health["timestamp"].is_string(), "{health}");
    let (status, _) = service.post("/debug/preprocess", &year);
    assert_eq!(status, 404, "off unless the settings allow it");
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn what_the_model_reads_can_be_shown() {
    let (project, service) = served("dropout", &["train.models=[logistic]"]);
    service.stop();
    let params = project.read("study/params.yaml").replace("serve: {", "serve: {debug: true, ");
    project.write("study/params.yaml", &params);
    let service = Service::start(&project, &["--threshold", "0.3"]);
    let (status, shown) = service.post("/debug/preprocess", &volunteer());
    assert_eq!(status, 200, "{shown}");
    assert_eq!(shown["features"]["age"], 71.0);
    assert_eq!(shown["encoded"][0]["learner"], "logistic");
    assert!(shown["encoded"][0]["columns"]["age"].is_number(), "{shown}");
    let (_, answer) = service.post("/predict?answer=full", &volunteer());
    assert_eq!((&answer["threshold"], &answer["threshold_version"]), (&json!(0.3), &json!("override:0.3")));
    assert_eq!(service.post("/predict?answer=all", &volunteer()).0, 422);
    assert_eq!(service.stop(), Some(0));
}
