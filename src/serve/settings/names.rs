//! Who may be named in the headers `host` and `origin`.
//!
//! A list that is not understood is refused at the start; nothing here can fail while requests are answered.

use std::net::IpAddr;

use axum::http::HeaderValue;

use super::SettingsError;

/// Names that the header `host` may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// Any name.
    Any,
    /// `localhost`, what lies below it, and addresses. A page elsewhere can point a name of its own at this machine,
    /// but its browser then sends that name.
    Local,
    /// Those names, in lower case; one that begins with a dot stands for all below it.
    Listed(Vec<String>),
}

impl Hosts {
    /// Reads a list: names without port, `*.name`, addresses, or `*`.
    pub fn parse(list: &[String]) -> Result<Self, SettingsError> {
        let mut names = Vec::new();
        for item in list {
            let name = item.trim().trim_end_matches('.').to_ascii_lowercase();
            let bare = name.strip_prefix("*.").unwrap_or(&name);
            let address = bare.trim_matches(['[', ']']).parse::<IpAddr>();
            let letters = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if name != "*" && address.is_err() && (bare.is_empty() || !bare.chars().all(letters)) {
                let what = "no host name; write `risk.example.org`, `*.example.org` or `*`, without scheme and port";
                return Err(SettingsError::Item("allowed_hosts", item.clone(), what));
            }
            names.push(match (name.strip_prefix('*'), address) {
                (Some(below), _) => below.to_owned(),
                (None, Ok(address)) => address.to_string(),
                (None, Err(_)) => name,
            });
        }
        match names.as_slice() {
            [] => Err(SettingsError::Range("allowed_hosts", "a list of at least one name, or left out")),
            names if names.iter().any(String::is_empty) => Ok(Self::Any),
            _ => Ok(Self::Listed(names)),
        }
    }

    /// Whether a `host` header (with or without port) is one of them.
    pub fn allow(&self, header: &str) -> bool {
        let Some(name) = name_of(header) else { return false };
        match self {
            Self::Any => true,
            Self::Local => {
                let below = name.len() > 10 && ends_with(name, ".localhost");
                name.eq_ignore_ascii_case("localhost") || below || name.parse::<IpAddr>().is_ok()
            }
            Self::Listed(names) => names.iter().any(|allowed| {
                let below = allowed.starts_with('.') && name.len() > allowed.len() && ends_with(name, allowed);
                below || name.eq_ignore_ascii_case(allowed)
            }),
        }
    }
}

fn ends_with(name: &str, end: &str) -> bool {
    name.len().checked_sub(end.len()).and_then(|at| name.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// The name of `name:port`, `[v6]:port` or `name.`; nothing for what is no host.
fn name_of(header: &str) -> Option<&str> {
    let (name, rest) = match header.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => header.find(':').map_or((header, ""), |at| header.split_at(at)),
    };
    let port = rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:%".contains(&byte);
    (port && !name.is_empty() && name.bytes().all(harmless)).then(|| name.strip_suffix('.').unwrap_or(name))
}

/// Origins whose pages may read answers. Credentials are never allowed: the key is a header that a page must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Every page.
    Any,
    /// Those; none when empty.
    Listed(Vec<HeaderValue>),
}

impl Default for Origins {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl Origins {
    /// Reads a list: `https://ward.example.org`, with a port where it is not the scheme's, or `*`.
    pub fn parse(list: &[String]) -> Result<Self, SettingsError> {
        let mut origins = Vec::new();
        for item in list {
            let origin = item.trim().to_ascii_lowercase();
            if origin == "*" {
                return Ok(Self::Any);
            }
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            let value = host.filter(|host| name_of(host).is_some()).and_then(|_| HeaderValue::from_str(&origin).ok());
            let what = "no origin; write scheme and host as `https://ward.example.org`, without a path, or `*`";
            origins.push(value.ok_or_else(|| SettingsError::Item("allowed_origins", item.clone(), what))?);
        }
        Ok(Self::Listed(origins))
    }
}
