//! One line for each request, written off the hot path.
//!
//! A line goes into a buffer that a thread empties every 50 ms: a channel would cost a wake-up per
//! line, a span ten times the request. The buffer is bounded; what does not fit is counted and said.

use std::cell::RefCell;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use tokio::time::Instant;

use super::Format;
use super::printable::escape;
use crate::context::InvocationId;
use crate::present::{Field, Present};

const BUFFER: usize = 4 << 20;
const FLUSH_EVERY: Duration = Duration::from_millis(50);
/// What the buffer keeps of its memory when it has been emptied.
const KEPT: usize = 256 << 10;

pub(crate) struct AccessLog {
    format: Format,
    buffer: Mutex<Buffer>,
}

#[derive(Default)]
struct Buffer {
    lines: Vec<u8>,
    dropped: u64,
}

/// What a line says.
pub(crate) struct Line<'a> {
    /// Empty when no function was meant.
    pub(crate) function: &'a str,
    pub(crate) invocation: InvocationId,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) status: StatusCode,
    pub(crate) started: Instant,
    pub(crate) ended: Instant,
    pub(crate) traced: Traced,
}

/// What connects a request with the logs of those who passed it on.
#[derive(Default)]
pub(crate) struct Traced {
    /// Cloudflare's id of the request.
    cf_ray: Option<String>,
    /// 32 hexadecimal digits, from `X-Cloud-Trace-Context` or `traceparent`.
    pub(crate) trace: Option<String>,
}

impl Traced {
    pub(crate) fn new(headers: &HeaderMap, present: Present) -> Self {
        let text = |field| present.text(headers, field);
        let google = text(Field::GoogleTrace).and_then(|context| context.split('/').next());
        let standard = || text(Field::TraceParent)?.split('-').nth(1);
        let is_id = |id: &&str| id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
        Self {
            cf_ray: text(Field::CfRay).map(str::to_owned),
            trace: google.or_else(standard).filter(is_id).map(str::to_owned),
        }
    }
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
                let mut spare = Vec::new();
                while let Some(log) = weak.upgrade() {
                    log.write_out(&mut spare);
                    drop(log);
                    std::thread::sleep(FLUSH_EVERY);
                }
            })?;
        Ok(log)
    }

    pub(crate) fn record(&self, line: &Line<'_>) {
        DESK.with_borrow_mut(|desk| {
            desk.line.clear();
            match self.format {
                Format::Json => line.write_json(desk.clock.at(line.ended), &mut desk.line),
                Format::Text => line.write_text(&mut desk.line),
            }
            let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
            if buffer.lines.len() > BUFFER {
                buffer.dropped += 1;
            } else {
                buffer.lines.extend_from_slice(&desk.line);
            }
        });
    }

    pub(crate) fn flush(&self) {
        self.write_out(&mut Vec::new());
    }

    /// Writes what there is, and leaves `spare`, which is empty, in its place.
    fn write_out(&self, spare: &mut Vec<u8>) {
        let dropped = {
            let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut buffer.lines, spare);
            std::mem::take(&mut buffer.dropped)
        };
        // There is nobody to tell that the log cannot be written.
        let _ = std::io::stderr().lock().write_all(spare);
        spare.clear();
        spare.shrink_to(KEPT);
        if dropped > 0 {
            tracing::warn!(dropped, "lines of the access log were dropped");
        }
    }
}

thread_local! {
    /// Where each thread writes its lines before it takes the lock.
    static DESK: RefCell<Desk> = RefCell::default();
}

#[derive(Default)]
struct Desk {
    line: Vec<u8>,
    clock: Clock,
}

/// Writes the time, and the calendar's part of it once a second: that costs more than all the rest of a line.
#[derive(Default)]
struct Clock {
    /// Since 1970; 0 before the first time.
    second: u64,
    /// `2026-11-24T09:00:00`, then the digits behind the second.
    text: Vec<u8>,
    /// When the system's clock was read, and what it said, since 1970.
    read: Option<(Instant, Duration)>,
}

impl Clock {
    const SECOND: usize = "2026-11-24T09:00:00".len();
    /// How long the system's clock is not looked at again: it may be set.
    const TRUSTED: Duration = Duration::from_secs(1);

    /// A time of now, or of a moment ago.
    fn at(&mut self, instant: Instant) -> &[u8] {
        let passed = self
            .read
            .and_then(|(read, time)| Some((instant.checked_duration_since(read)?, time)))
            .filter(|(passed, _)| *passed < Self::TRUSTED);
        let since_1970 = match passed {
            Some((passed, time)) => time + passed,
            None => {
                let time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
                self.read = Some((instant, time));
                time
            }
        };
        self.write(since_1970)
    }

    fn write(&mut self, since_1970: Duration) -> &[u8] {
        if self.second != since_1970.as_secs() || self.text.is_empty() {
            self.second = since_1970.as_secs();
            let second = i64::try_from(self.second).ok();
            let second = second.and_then(|second| Timestamp::from_second(second).ok());
            self.text = second.unwrap_or_default().to_string().into_bytes();
        }
        self.text.truncate(Self::SECOND);
        self.text.push(b'.');
        push_number(since_1970.subsec_micros(), 6, &mut self.text);
        self.text.push(b'Z');
        &self.text
    }
}

/// With zeros in front, up to so many digits. The formatting of `std` costs ten times as much.
fn push_number(number: impl Into<u64>, digits: usize, out: &mut Vec<u8>) {
    let mut number: u64 = number.into();
    let mut text = [b'0'; 20];
    let mut start = text.len();
    while number > 0 || text.len() - start < digits {
        start -= 1;
        text[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&text[start..]);
}

fn push(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
}

/// In milliseconds, to the microsecond.
fn push_duration(duration: Duration, out: &mut Vec<u8>) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    push_number(micros / 1000, 1, out);
    out.push(b'.');
    push_number(micros % 1000, 3, out);
}

impl Line<'_> {
    fn write_json(&self, timestamp: &[u8], out: &mut Vec<u8>) {
        let status = self.status.as_str();
        push(r#"{"timestamp":""#, out);
        out.extend_from_slice(timestamp);
        push(
            match self.status.as_u16() {
                500.. => r#"","level":"ERROR","message":""#,
                _ => r#"","level":"INFO","message":""#,
            },
            out,
        );
        push(self.method, out);
        out.push(b' ');
        let path = out.len();
        escape(self.path, out);
        let path = path..out.len();
        out.push(b' ');
        push(status, out);
        push(r#"","method":""#, out);
        push(self.method, out);
        push(r#"","path":""#, out);
        out.extend_from_within(path);
        push(r#"","status":"#, out);
        push(status, out);
        push(r#","duration_ms":"#, out);
        push_duration(self.ended - self.started, out);
        push(r#","invocation":""#, out);
        out.extend_from_slice(&self.invocation.0);
        out.push(b'"');
        let fields = [
            (r#","function":""#, Some(self.function)),
            (r#","cf_ray":""#, self.traced.cf_ray.as_deref()),
            (r#","trace":""#, self.traced.trace.as_deref()),
        ];
        for (name, value) in fields {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                push(name, out);
                escape(value, out);
                out.push(b'"');
            }
        }
        push("}\n", out);
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        let function = match self.function {
            "" => "-",
            function => function,
        };
        // Writing to memory cannot fail.
        let _ = write!(out, "{} {:<7} ", self.status.as_str(), self.method);
        escape(self.path, out);
        let _ = writeln!(
            out,
            "  {function}  {:.1} ms  {}",
            (self.ended - self.started).as_secs_f64() * 1e3,
            self.invocation.as_str()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str) -> Line<'_> {
        let started = Instant::now();
        Line {
            function: "auth_sync",
            invocation: InvocationId(*b"0123456789ab000000000001"),
            method: "POST",
            path,
            status: StatusCode::CREATED,
            started,
            ended: started + Duration::from_micros(1500),
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
            let mut out = Vec::new();
            line(path).write_json(b"2026-11-24T09:00:00.000001Z", &mut out);
            let out = String::from_utf8(out).unwrap();
            let text = out.strip_suffix('\n').unwrap();
            assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{out:?}");
            let read: serde_json::Value = serde_json::from_str(&out).unwrap();
            assert_eq!(read["path"], path);
            assert_eq!(read["function"], "auth_sync");
            assert_eq!(read["timestamp"], "2026-11-24T09:00:00.000001Z");
            assert_eq!(read["status"], 201);
            assert_eq!(read["duration_ms"], 1.5);
            assert_eq!(read["cf_ray"], "8f00-FRA");
            assert_eq!(read.get("trace"), None);
        }
    }

    #[test]
    fn the_clock_writes_every_microsecond_of_every_second() {
        let mut clock = Clock::default();
        for (second, microsecond, text) in [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (0, 1, "1970-01-01T00:00:00.000001Z"),
            (1_582_934_399, 999_999, "2020-02-28T23:59:59.999999Z"),
            (1_582_934_400, 20, "2020-02-29T00:00:00.000020Z"),
            (1_582_934_399, 123_456, "2020-02-28T23:59:59.123456Z"),
        ] {
            let time = Duration::from_secs(second) + Duration::from_micros(microsecond);
            assert_eq!(clock.write(time), text.as_bytes());
        }
    }

    #[test]
    fn between_two_looks_at_the_systems_clock_the_time_goes_on() {
        let start = Instant::now();
        let mut clock = Clock {
            read: Some((start, Duration::from_secs(1_582_934_399))),
            ..Clock::default()
        };
        let later = start + Duration::from_millis(999);
        assert_eq!(clock.at(start), b"2020-02-28T23:59:59.000000Z");
        assert_eq!(clock.at(later), b"2020-02-28T23:59:59.999000Z");
        assert!(!clock.at(start + Clock::TRUSTED).starts_with(b"2020"));
    }

    #[test]
    fn a_duration_is_written_in_milliseconds() {
        for (microseconds, text) in [
            (0, "0.000"),
            (7, "0.007"),
            (1_500, "1.500"),
            (60_000_010, "60000.010"),
        ] {
            let mut out = Vec::new();
            push_duration(Duration::from_micros(microseconds), &mut out);
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn a_trace_is_read_from_either_header_and_from_nothing_else() {
        let trace = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            Traced::new(&headers, Present::of(&headers)).trace
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
