//! W3C Trace Context: the caller's `traceparent` is read, told in the logs and answered with a span of our own, so that
//! a trace that passes through the service stays whole. Without one nothing is made up.
//! <https://www.w3.org/TR/trace-context/>

use std::fmt::Write;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header, in requests and answers.
pub(super) const HEADER: HeaderName = HeaderName::from_static("traceparent");

/// A caller's span, and the one that answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TraceContext {
    /// 32 hex digits.
    pub trace_id: String,
    /// The caller's span, 16 hex digits.
    pub parent_id: String,
    /// Ours, 16 hex digits.
    pub span_id: String,
    flags: u8,
}

impl TraceContext {
    /// Reads the header; one that is missing, given twice or malformed is as if it were not there, as the standard asks.
    /// `span` names this request among all.
    pub fn read(headers: &HeaderMap, span: u64) -> Option<Self> {
        let mut given = headers.get_all(HEADER).iter();
        let text = given.next().filter(|_| given.next().is_none())?.to_str().ok()?;
        let mut parts = text.splitn(4, '-');
        let version = hex(parts.next()?, 2)?;
        let (trace_id, parent_id) = (hex(parts.next()?, 32)?, hex(parts.next()?, 16)?);
        let rest = parts.next()?;
        let flags = hex(rest.get(..2)?, 2)?;
        // Later versions may say more behind the flags; this one may not.
        let ends = rest.len() == 2 || version != "00" && rest.as_bytes()[2] == b'-';
        let zero = |id: &str| id.bytes().all(|digit| digit == b'0');
        if version == "ff" || !ends || zero(trace_id) || zero(parent_id) {
            return None;
        }
        let mut span_id = String::with_capacity(16);
        // An id of zeros means none.
        write!(span_id, "{:016x}", span.max(1)).ok()?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace_id: trace_id.to_owned(), parent_id: parent_id.to_owned(), span_id, flags })
    }

    /// The header of the answer: the same trace and our span. Of the flags only `sampled` is known here.
    pub fn answer(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, self.flags & 1)).ok()
    }
}

/// So many hex digits in lower case.
fn hex(text: &str, length: usize) -> Option<&str> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == length && text.bytes().all(is_digit)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn read(text: &str) -> Option<TraceContext> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(text).expect("a value"));
        TraceContext::read(&headers, 0x1f)
    }

    #[test]
    fn a_trace_goes_on_with_a_span_of_ours() {
        let trace = read(GOOD).expect("well formed");
        assert_eq!((trace.trace_id.as_str(), trace.parent_id.as_str()), (&GOOD[3..35], &GOOD[36..52]));
        let answer = trace.answer().expect("a value");
        assert_eq!(answer, "00-0af7651916cd43dd8448eb211c80319c-000000000000001f-01");
        assert!(read(answer.to_str().expect("text")).is_some());
        assert!(read(&GOOD.replace("00-0af", "cc-0af").replace("-01", "-01-what-comes")).is_some(), "a later version");
    }

    #[test]
    fn what_is_malformed_is_as_if_it_were_not_there() {
        let zeros = "0".repeat(32);
        for bad in [
            "",
            "00",
            "00-x",
            &GOOD.to_uppercase(),
            &GOOD[..54],
            &format!("{GOOD}-more"),
            &format!("{GOOD}0"),
            &GOOD.replace("00-0af", "ff-0af"),
            &GOOD.replace("00-0af", "cc-0af").replace("-01", "-01.x"),
            &GOOD.replace("0af7651916cd43dd8448eb211c80319c", &zeros),
            &GOOD.replace("b7ad6b7169203331", &zeros[..16]),
            &GOOD.replace('a', "g"),
            "00-é0f7651916cd43dd8448eb211c8031-b7ad6b7169203331-01",
        ] {
            let value = HeaderValue::from_bytes(bad.as_bytes()).expect("a value");
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, value);
            assert_eq!(TraceContext::read(&headers, 1), None, "{bad}");
        }
        let mut twice = HeaderMap::new();
        twice.append(HEADER, HeaderValue::from_static(GOOD));
        twice.append(HEADER, HeaderValue::from_static(GOOD));
        assert_eq!(TraceContext::read(&twice, 1), None);
        assert_eq!(TraceContext::read(&HeaderMap::new(), 1), None);
    }
}
