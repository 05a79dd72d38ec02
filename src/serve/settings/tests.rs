//! Settings: what is refused, what is allowed with a warning, and that the one table is complete.

use axum::http::HeaderValue;
use serde_json::json;

use super::*;

fn params(value: Value) -> ServeParams {
    serde_json::from_value(value).expect("settings")
}

fn settings(value: Value) -> Result<Settings, SettingsError> {
    Settings::from_params(&params(value))
}

const KEY: &str = "a key of sixteen or more";

#[test]
fn the_table_lists_every_setting_once() {
    let predictions = PredictionParams {
        file: "p".into(),
        inputs: true,
        rotate: Some("daily".to_owned()),
        keep: Some(1),
        when_full: Some("drop".to_owned()),
        key_file: Some("k".into()),
    };
    let canary = CanaryParams { bundle: "b".into(), share: 0.5 };
    let params = ServeParams { canary: Some(canary), predictions: Some(predictions), ..ServeParams::default() };
    let Value::Object(all) = serde_json::to_value(params).expect("JSON") else { panic!("an object") };
    let mut keys: Vec<String> = Vec::new();
    for (key, value) in all {
        match value {
            Value::Object(section) => keys.extend(section.keys().map(|name| format!("{key}.{name}"))),
            _ => keys.push(key),
        }
    }
    keys.sort_unstable();
    let mut listed: Vec<&str> = TABLE.iter().map(|setting| setting.key).collect();
    listed.sort_unstable();
    assert_eq!(listed, keys);
    assert!(TABLE.iter().all(|setting| setting.about.ends_with('.') && !setting.default.is_empty()));
}

#[test]
fn a_public_address_needs_a_key() {
    let settings = settings(json!({"host": "0.0.0.0"})).expect("an address");
    assert!(matches!(settings.check(), Err(SettingsError::PublicWithoutKey(_))));
    let keyed = Settings::load(&params(json!({"host": "0.0.0.0"})), Some(KEY)).expect("sound");
    assert_eq!(keyed.check(), Ok(()));
    assert!(keyed.warnings()[0].contains("unencrypted"), "{:?}", keyed.warnings());
    assert!(matches!(Settings::load(&ServeParams::default(), Some("short")), Err(SettingsError::Keys(_))));
    let open = Settings { allow_open: true, ..settings };
    assert_eq!(open.check(), Ok(()));
    assert!(open.warnings()[0].contains("no API key"), "{:?}", open.warnings());
    for host in ["127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1", "127.8.8.8"] {
        let settings = self::settings(json!({"host": host})).expect("an address");
        assert_eq!((settings.check(), settings.warnings()), (Ok(()), Vec::new()), "{host}");
    }
}

#[test]
fn an_open_service_answers_to_local_names_only() {
    let hosts = |key, value| Settings::load(&params(value), key).expect("sound").allowed_hosts;
    assert_eq!(hosts(None, json!({})), Hosts::Local);
    assert_eq!(hosts(Some(KEY), json!({})), Hosts::Any);
    assert_eq!(hosts(None, json!({"allowed_hosts": ["*"]})), Hosts::Any);
    for (host, allowed) in [
        ("localhost", true),
        ("LocalHost:8000", true),
        ("app.localhost", true),
        ("127.0.0.1:8000", true),
        ("[::1]:8000", true),
        ("10.1.2.3", true),
        ("evil.example", false),
        ("localhost.evil.example", false),
        ("notlocalhost", false),
        (".localhost", false),
        ("localhost:80:80", false),
        ("localhost@evil", false),
        ("", false),
        ("[::1", false),
    ] {
        assert_eq!(Hosts::Local.allow(host), allowed, "{host}");
    }
}

#[test]
fn hosts_match_by_name_whatever_the_port_and_case() {
    let hosts = |list: &[&str]| Hosts::parse(&list.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>());
    let listed = hosts(&["Risk.Example.org", "*.ward.org", "[::1]"]).expect("names");
    for (host, allowed) in [
        ("risk.example.org", true),
        ("RISK.example.org.:443", true),
        ("a.b.ward.org", true),
        ("ward.org", false),
        ("xward.org", false),
        ("[::1]:8", true),
        ("risk.example.org.evil", false),
        ("localhost", false),
    ] {
        assert_eq!(listed.allow(host), allowed, "{host}");
    }
    assert_eq!(hosts(&["a", "*"]), Ok(Hosts::Any));
    for wrong in [&["https://a.org"][..], &["a:80"], &["a b"], &[""], &["*x"], &[]] {
        assert!(hosts(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_star_among_origins_allows_all_and_nonsense_is_refused() {
    let origins = |list: &[&str]| Origins::parse(&list.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>());
    assert_eq!(origins(&["https://a.org", "*"]), Ok(Origins::Any));
    let listed = Origins::Listed(vec![HeaderValue::from_static("https://a.org:8443")]);
    assert_eq!(origins(&["https://A.org:8443"]), Ok(listed));
    for wrong in ["a.org", "https://", "https://a.org/", "null", "https://*.a.org", "ftp://a.org", ""] {
        assert!(origins(&[wrong]).is_err(), "{wrong}");
    }
}

#[test]
fn nonsense_is_refused() {
    let refused = settings(json!({"host": "everywhere"})).expect_err("no address");
    assert_eq!(refused, SettingsError::Host("everywhere".to_owned()));
    for key in ["drain", "request_timeout", "header_timeout", "rate_limit", "threshold"] {
        for number in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            let mut params = ServeParams::default();
            let place = match key {
                "drain" => &mut params.drain,
                "request_timeout" => &mut params.request_timeout,
                "header_timeout" => &mut params.header_timeout,
                "rate_limit" => &mut params.rate_limit,
                _ => &mut params.threshold,
            };
            *place = Some(number);
            assert!(Settings::from_params(&params).is_err(), "{key} {number}");
        }
    }
    for (value, word) in [
        (json!({"threads": 0}), "threads"),
        (json!({"body_limit": 0}), "body_limit"),
        (json!({"max_connections": 0}), "max_connections"),
        (json!({"body_memory": 1}), "body_memory"),
        (json!({"rate_limit": 1.0, "rate_burst": 0}), "rate_burst"),
        (json!({"risk_levels": {"High": 1.5}}), "risk_levels"),
        (json!({"tls_cert": "a"}), "tls_key"),
        (json!({"log_level": "loud"}), "serve.log_level"),
        (json!({"reload_poll": 0}), "serve.reload_poll"),
        (json!({"canary": {"bundle": "b", "share": 1.5}}), "serve.canary.share"),
        (json!({"canary": {"bundle": "b", "share": -0.1}}), "serve.canary.share"),
    ] {
        let fault = settings(value).expect_err("refused").to_string();
        assert!(fault.contains(word), "{fault}");
    }
}

#[test]
fn the_sample_of_variables_can_be_read_once_uncommented() {
    let sample = sample();
    let pairs = sample.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let pairs = pairs.filter(|(name, _)| !name.contains(' ')).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let pairs: Vec<_> = pairs.collect();
    assert_eq!(pairs.len(), TABLE.len() + 2);
    let read = Variables::read(pairs.into_iter()).expect("sound");
    assert!(read.unknown.is_empty(), "{:?}", read.unknown);
    let params = read.own.params().expect("sound");
    Settings::from_params(&params).expect("sound");
    let Value::Object(all) = serde_json::to_value(&params).expect("JSON") else { panic!("an object") };
    assert!(all.values().all(|value| !value.is_null()), "{all:?}");
    assert!(KeySet::single(&read.key.expect("a key").1).is_err(), "a key that everybody can read is none");
}
