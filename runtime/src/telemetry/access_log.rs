//! One line for each request, written off the hot path.
//!
//! A line goes into a buffer that a thread empties every 50 ms: a channel would cost a wake-up per
//! line, a span ten times the request. The buffer is bounded; what does not fit is counted and said.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;

use super::Format;
use super::printable::escape;

const BUFFER: usize = 4 << 20;
const FLUSH_EVERY: Duration = Duration::from_millis(50);

pub(crate) struct AccessLog {
    format: Format,
    buffer: Mutex<Buffer>,
}

#[derive(Default)]
struct Buffer {
    lines: String,
    dropped: u64,
}

/// What a line says.
pub(crate) struct Line<'a> {
    /// Empty when no function was meant.
    pub(crate) function: &'a str,
    pub(crate) invocation: &'a str,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    pub(crate) duration: Duration,
    pub(crate) traced: Traced,
}

/// What connects a request with the logs of those who passed it on.
#[derive(Default)]
pub(crate) struct Traced {
    /// Cloudflare's id of the request.
    cf_ray: Option<String>,
    /// 32 hexadecimal digits, from `X-Cloud-Trace-Context` or `traceparent`.
    trace: Option<String>,
}

impl Traced {
    pub(crate) fn new(headers: &HeaderMap) -> Self {
        Self {
            cf_ray: text(headers, "cf-ray").map(str::to_owned),
            trace: trace(headers).map(str::to_owned),
        }
    }
}

/// The trace that a request belongs to, if its caller says so.
pub(crate) fn trace(headers: &HeaderMap) -> Option<&str> {
    text(headers, "x-cloud-trace-context")
        .and_then(|context| context.split('/').next())
        .or_else(|| text(headers, "traceparent").and_then(|parent| parent.split('-').nth(1)))
        .filter(|id| id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl AccessLog {
    /// Starts the thread that writes; it ends with the last handle.
    pub(crate) fn start(format: Format) -> std::io::Result<Arc<Self>> {
        let log = Arc::new(Self {
            format,
            buffer: Mutex::default(),
        });
        let weak = Arc::downgrade(&log);
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                while let Some(log) = weak.upgrade() {
                    log.flush();
                    drop(log);
                    std::thread::sleep(FLUSH_EVERY);
                }
            })?;
        Ok(log)
    }

    pub(crate) fn record(&self, line: &Line<'_>) {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.lines.len() > BUFFER {
            buffer.dropped += 1;
            return;
        }
        // Writing to a String cannot fail.
        let _ = match self.format {
            Format::Json => line.write_json(&mut buffer.lines),
            Format::Text => line.write_text(&mut buffer.lines),
        };
    }

    pub(crate) fn flush(&self) {
        let Buffer { lines, dropped } =
            std::mem::take(&mut *self.buffer.lock().unwrap_or_else(PoisonError::into_inner));
        // There is nobody to tell that the log cannot be written.
        let _ = std::io::stderr().lock().write_all(lines.as_bytes());
        if dropped > 0 {
            tracing::warn!(dropped, "lines of the access log were dropped");
        }
    }
}

impl Line<'_> {
    fn write_json(&self, out: &mut String) -> std::fmt::Result {
        let level = match self.status {
            500.. => "ERROR",
            _ => "INFO",
        };
        write!(
            out,
            r#"{{"timestamp":"{}","level":"{level}","message":"{} "#,
            jiff::Timestamp::now(),
            self.method
        )?;
        escape(self.path, out);
        write!(
            out,
            r#" {}","method":"{}","path":""#,
            self.status, self.method
        )?;
        escape(self.path, out);
        write!(
            out,
            r#"","status":{},"duration_ms":{:.3},"invocation":"{}""#,
            self.status,
            self.duration.as_secs_f64() * 1e3,
            self.invocation
        )?;
        let fields = [
            (
                "function",
                (!self.function.is_empty()).then_some(self.function),
            ),
            ("cf_ray", self.traced.cf_ray.as_deref()),
            ("trace", self.traced.trace.as_deref()),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                write!(out, r#","{name}":""#)?;
                escape(value, out);
                out.push('"');
            }
        }
        out.push_str("}\n");
        Ok(())
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        let function = match self.function {
            "" => "-",
            function => function,
        };
        write!(out, "{:>3} {:<7} ", self.status, self.method)?;
        escape(self.path, out);
        writeln!(
            out,
            "  {function}  {:.1} ms  {}",
            self.duration.as_secs_f64() * 1e3,
            self.invocation
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str) -> Line<'_> {
        Line {
            function: "auth_sync",
            invocation: "0123456789ab000000000001",
            method: "POST",
            path,
            status: 201,
            duration: Duration::from_micros(1500),
            traced: Traced {
                cf_ray: Some("8f00-FRA".to_owned()),
                trace: None,
            },
        }
    }

    #[test]
    fn a_line_is_one_json_object_whatever_the_path_holds() {
        for path in [
            "/auth_sync",
            "/a\"b\\c",
            "/x\n{\"status\":200}",
            "/\u{7f}\u{0}ü\u{2028}\u{9b}31m\u{202e}📼",
        ] {
            let mut out = String::new();
            line(path).write_json(&mut out).unwrap();
            let text = out.strip_suffix('\n').unwrap();
            assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{out:?}");
            let read: serde_json::Value = serde_json::from_str(&out).unwrap();
            assert_eq!(read["path"], path);
            assert_eq!(read["function"], "auth_sync");
            assert_eq!(read["duration_ms"], 1.5);
            assert_eq!(read["cf_ray"], "8f00-FRA");
            assert_eq!(read.get("trace"), None);
        }
    }

    #[test]
    fn a_trace_is_read_from_either_header_and_from_nothing_else() {
        let trace = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            Traced::new(&headers).trace
        };
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let google = format!("{id}/123;o=1");
        let w3c = format!("00-{id}-00f067aa0ba902b7-01");
        assert_eq!(trace("x-cloud-trace-context", &google).as_deref(), Some(id));
        assert_eq!(trace("traceparent", &w3c).as_deref(), Some(id));
        assert_eq!(trace("traceparent", "garbage"), None);
        assert_eq!(trace("x-cloud-trace-context", "x/1"), None);
    }
}
