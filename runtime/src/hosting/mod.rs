//! Files beside the functions, in the order in which Firebase Hosting answers: a file of that very
//! name, then a rewrite, then a page that says 404.
//!
//! It shows what lies in one folder and knows nothing of functions, but for what a client and a
//! function see of each other [through a rewrite](rewritten). Who asks is the same to it: what is in
//! the folder is everybody's.

mod answer;
mod files;
pub(crate) mod rewritten;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode};
use manifest::{ErrorFormat, HostingHeaders, Rewrite, RewriteSource, RewriteTarget};

use self::files::{Files, Found};
use crate::error::{Error, Result};
use crate::function::Response;
use crate::route::{RouteMatch, Unmatched, single_slashes};

/// What says that nothing has the URL, to those who read HTML.
const NOT_FOUND: &str = "/404.html";
/// Paths that are Firebase's own.
const RESERVED: &str = "/__/";
/// How long a browser may keep a file that no rule of the manifest speaks of: Firebase Hosting's.
const USUAL: HeaderValue = HeaderValue::from_static("max-age=3600");
/// And a page that says 404: ten minutes, also Firebase Hosting's.
const MISSING: HeaderValue = HeaderValue::from_static("max-age=600");

/// The hosting folder and its rules.
pub(crate) struct Hosting {
    files: Arc<Files>,
    rules: Vec<(RewriteSource, HeaderMap)>,
}

impl Hosting {
    /// # Errors
    /// When there is no such folder, or a file in it that a rewrite leads to is missing: no client
    /// should be the first to notice.
    pub(crate) fn open(
        folder: &Path,
        spec: &manifest::Hosting,
        rewrites: &[Rewrite],
    ) -> anyhow::Result<Self> {
        let files = Files::open(folder)?;
        for rewrite in rewrites {
            if let RewriteTarget::Destination(file) = &rewrite.target {
                files.find(file)?.with_context(|| {
                    format!(
                        "there is no {file}, where the rewrite of {} leads",
                        rewrite.source
                    )
                })?;
            }
        }
        Ok(Self {
            files: Arc::new(files),
            rules: spec.headers.iter().filter_map(rule).collect(),
        })
    }

    /// What is shown before the function of a rewrite, or where there is none. `None`: nothing.
    pub(crate) async fn answer<B>(
        &self,
        request: &Request<B>,
        route: &Result<RouteMatch, Unmatched>,
    ) -> Option<Response> {
        let path = request.uri().path();
        if !matches!(*request.method(), Method::GET | Method::HEAD) || path.starts_with(RESERVED) {
            return None;
        }
        let shown = match route {
            Ok(route) if route.rewritten => self.show(request, path).await,
            Err(Unmatched::NotFound {
                hosted: Some(hosted),
            }) => {
                self.show_or_stand_in(request, hosted.destination.as_deref())
                    .await
            }
            _ => return None,
        };
        shown
            .map_err(|error| {
                tracing::error!(path, "a hosted file cannot be read: {error}");
                error.into_response(ErrorFormat::Firebase)
            })
            .unwrap_or_else(Some)
    }

    async fn show_or_stand_in<B>(
        &self,
        request: &Request<B>,
        destination: Option<&str>,
    ) -> Result<Option<Response>> {
        if let Some(shown) = self.show(request, request.uri().path()).await? {
            return Ok(Some(shown));
        }
        if let Some(destination) = destination {
            return self.show(request, destination).await;
        }
        match reads_html(request.headers()) {
            true => self.say_not_found(request).await,
            // A script that asks for JSON finds the router's own answer.
            false => Ok(None),
        }
    }

    /// A file, with the headers that the rules give to the request's own path.
    async fn show<B>(&self, request: &Request<B>, file: &str) -> Result<Option<Response>> {
        let Some(found) = self.find(file).await? else {
            return Ok(None);
        };
        let mut response = answer::file(request, found)?;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, USUAL);
        let path = single_slashes(request.uri().path());
        for (source, rule) in &self.rules {
            if source.matches(&path) {
                headers.extend(rule.clone());
            }
        }
        Ok(Some(response))
    }

    async fn say_not_found<B>(&self, request: &Request<B>) -> Result<Option<Response>> {
        let Some(found) = self.find(NOT_FOUND).await? else {
            return Ok(None);
        };
        let mut response = answer::whole(request.method(), found)?;
        *response.status_mut() = StatusCode::NOT_FOUND;
        response.headers_mut().insert(CACHE_CONTROL, MISSING);
        Ok(Some(response))
    }

    async fn find(&self, path: &str) -> Result<Option<Found>> {
        let (files, path) = (self.files.clone(), path.to_owned());
        let found = tokio::task::spawn_blocking(move || files.find(&path)).await;
        found.map_err(Error::internal)?.map_err(Error::internal)
    }
}

/// Cannot fail: the manifest's validation knows which names and values are HTTP's.
fn rule(rule: &HostingHeaders) -> Option<(RewriteSource, HeaderMap)> {
    let headers = rule.headers.iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(value).ok()?))
    });
    Some((rule.source.clone(), headers.collect::<Option<_>>()?))
}

/// Whether the request says that it takes HTML, as browsers do for a page; `*/*` says nothing.
fn reads_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .flat_map(|accept| accept.split(','))
        .filter_map(|part| part.split(';').next())
        .any(|media| media.trim().eq_ignore_ascii_case("text/html"))
}
