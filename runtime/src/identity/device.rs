//! What the SDKs say of the app and the device that they run in, beside who is signed in.

use http::{HeaderMap, HeaderName};

use super::token;

const APP_CHECK: HeaderName = HeaderName::from_static("x-firebase-appcheck");
const INSTANCE_ID: HeaderName = HeaderName::from_static("firebase-instance-id-token");

/// Carried as it came: nothing here was verified.
#[derive(Default)]
pub(crate) struct Device {
    /// App Check's token. Junk is left out: an SDK that got no token sends some.
    pub(crate) app_check: Option<String>,
    /// Where Cloud Messaging reaches the device.
    pub(crate) instance_id: Option<String>,
}

impl Device {
    pub(crate) fn new(headers: &HeaderMap) -> Self {
        let text = |name: &HeaderName| headers.get(name)?.to_str().ok();
        Self {
            app_check: text(&APP_CHECK)
                .filter(|token| token::is_readable(token))
                .map(str::to_owned),
            instance_id: text(&INSTANCE_ID).map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::Device;

    #[test]
    fn junk_is_no_app_check_token() {
        // {"alg":"RS256"} and {"sub":"app"}
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAifQ.c2lnbmF0dXJl";
        for (sent, seen) in [
            (token, Some(token)),
            // What the SDK for the web sends when it got none.
            ("eyJlcnJvciI6IlVOS05PV05fRVJST1IifQ==", None),
            ("eyJhbGciOiJSUzI1NiJ9.junk.c2lnbmF0dXJl", None),
            ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAifQ", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-firebase-appcheck", HeaderValue::from_static(sent));
            assert_eq!(Device::new(&headers).app_check.as_deref(), seen, "{sent}");
        }
    }
}
