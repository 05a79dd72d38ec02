//! `clinpipe serve probe`: asks a running service whether it is ready, for containers that have no other program.

use std::time::Duration;

use clap::Args;
use hyper::Method;

use crate::cli::error::UsageError;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::util::http_client::HttpClient;

/// `serve probe`.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// What to ask; otherwise /health at this machine, at the port of CLINPIPE_PORT, else 8000.
    #[arg(value_name = "URL")]
    url: Option<String>,
}

/// How long the service may take.
const LIMIT: Duration = Duration::from_secs(4);

/// 0 when the service is ready, 1 when it is not or nothing answers.
pub fn run(args: &ProbeArgs, output: &Output) -> anyhow::Result<Exit> {
    let port = std::env::var("CLINPIPE_PORT").unwrap_or_else(|_| "8000".to_owned());
    let url = args.url.clone().unwrap_or_else(|| format!("http://127.0.0.1:{port}/health"));
    let roots = std::env::var_os("SSL_CERT_FILE").map(std::path::PathBuf::from);
    let help = "name what to ask: `clinpipe serve probe http://127.0.0.1:8000/health`";
    let client = HttpClient::new(&url, roots.as_deref(), LIMIT);
    let client = client.map_err(|error| UsageError::new(error.to_string(), help))?;
    match client.ask(Method::GET, "", "", Vec::new()) {
        Ok(answer) if answer.is_success() => Ok(Exit::Done),
        Ok(answer) => {
            output.error(&format!("{url} answers {}: {}", answer.status, answer.text(200)));
            Ok(Exit::No)
        }
        Err(error) => {
            output.error(&error.to_string());
            Ok(Exit::No)
        }
    }
}
