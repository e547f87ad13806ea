//! Where a test makes a step go wrong, and steps that it leaves out. Without the feature `failpoints`
//! both macros are constants, and nothing of this is in the binary.
//!
//! `FAILPOINT=after-rename:kill` ends the process there as a power cut would; `error` in the place of
//! `kill` makes the step fail with EIO. `@3` after the action means the third time only, `%30` means
//! 30 times in a hundred; `after-lease(poison)` only what has `poison` in its subject. Several are
//! separated by commas.
//!
//! `MUTATE=no-file-fsync` leaves that step out, so that the tests can show that they would notice.

/// Goes on with `Ok`, fails, or never returns.
macro_rules! failpoint {
    ($name:literal) => {
        failpoint!($name, "")
    };
    ($name:literal, $subject:expr) => {{
        #[cfg(feature = "failpoints")]
        let gone_on = $crate::failpoint::armed::hit($name, $subject);
        #[cfg(not(feature = "failpoints"))]
        let gone_on = {
            let _ = $subject;
            std::io::Result::Ok(())
        };
        gone_on
    }};
}
pub(crate) use failpoint;

/// Whether the step of this name is left out.
macro_rules! left_out {
    ($step:literal) => {{
        #[cfg(feature = "failpoints")]
        let left_out = $crate::failpoint::armed::is_left_out($step);
        #[cfg(not(feature = "failpoints"))]
        let left_out = false;
        left_out
    }};
}
pub(crate) use left_out;

#[cfg(feature = "failpoints")]
pub(crate) mod armed {
    use std::io;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use nix::libc::EIO;
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use crate::config;

    static POINTS: LazyLock<Vec<Point>> = LazyLock::new(|| {
        let text = config::failpoints().unwrap_or_default();
        let points = text.split(',').filter(|point| !point.is_empty());
        points
            .map(|point| Point::parse(point).unwrap_or_else(|| panic!("FAILPOINT: {point:?}")))
            .collect()
    });
    static LEFT_OUT: LazyLock<Option<String>> = LazyLock::new(config::left_out);

    #[derive(Debug)]
    struct Point {
        name: String,
        /// Part of what the subject must be.
        subject: String,
        action: Action,
        when: When,
        hits: AtomicU64,
    }

    #[derive(Debug, PartialEq, Eq)]
    enum Action {
        Kill,
        Error,
    }

    #[derive(Debug, PartialEq, Eq)]
    enum When {
        Always,
        /// From 1.
        Nth(u64),
        /// In a hundred.
        Sometimes(u64),
    }

    impl Point {
        fn parse(text: &str) -> Option<Self> {
            let (place, action) = text.split_once(':')?;
            let (name, subject) = match place.split_once('(') {
                Some((name, subject)) => (name, subject.strip_suffix(')')?),
                None => (place, ""),
            };
            let (action, when) = if let Some((action, nth)) = action.split_once('@') {
                (action, When::Nth(nth.parse().ok()?))
            } else if let Some((action, percent)) = action.split_once('%') {
                (action, When::Sometimes(percent.parse().ok()?))
            } else {
                (action, When::Always)
            };
            let action = match action {
                "kill" => Action::Kill,
                "error" => Action::Error,
                _ => return None,
            };
            Some(Self {
                name: name.to_owned(),
                subject: subject.to_owned(),
                action,
                when,
                hits: AtomicU64::new(0),
            })
        }

        fn strikes(&self, name: &str, subject: &str) -> bool {
            if self.name != name || !subject.contains(&self.subject) {
                return false;
            }
            let hit = self.hits.fetch_add(1, Ordering::Relaxed) + 1;
            match self.when {
                When::Always => true,
                When::Nth(nth) => hit == nth,
                When::Sometimes(percent) => uuid::Uuid::new_v4().as_u64_pair().0 % 100 < percent,
            }
        }
    }

    pub(crate) fn hit(name: &str, subject: &str) -> io::Result<()> {
        match POINTS.iter().find(|point| point.strikes(name, subject)) {
            None => Ok(()),
            Some(point) if point.action == Action::Kill => {
                kill(Pid::this(), Signal::SIGKILL)?;
                // The signal may reach another thread first.
                loop {
                    std::thread::park();
                }
            }
            Some(_) => Err(io::Error::from_raw_os_error(EIO)),
        }
    }

    pub(crate) fn is_left_out(step: &str) -> bool {
        LEFT_OUT.as_deref() == Some(step)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_point_strikes_where_and_when_it_says() {
            for (text, subject, struck) in [
                ("here:error", "", [true, true, true]),
                ("there:error", "", [false, false, false]),
                ("here:kill@2", "", [false, true, false]),
                ("here:error%0", "", [false, false, false]),
                ("here:error%100", "", [true, true, true]),
                ("here(poison):error", "a poison", [true, true, true]),
                ("here(poison):error@1", "a cure", [false, false, false]),
            ] {
                let point = Point::parse(text).unwrap();
                let found = [(); 3].map(|()| point.strikes("here", subject));
                assert_eq!(found, struck, "{text}");
            }
        }

        #[test]
        fn what_is_no_point_is_refused() {
            for text in [
                "here",
                "here:",
                "here:explode",
                "here:error@x",
                "here:kill%-1",
                "here(x:kill",
            ] {
                assert!(Point::parse(text).is_none(), "{text}");
            }
        }
    }
}
