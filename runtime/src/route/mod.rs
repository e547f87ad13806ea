//! All URL forms of all functions: which function a request means, and what path it sees.
//!
//! The forms are those of Cloud Functions, so that a client keeps the URL it has:
//!
//! | form | path that the function sees |
//! |---|---|
//! | `Host: {region}-{project}.cloudfunctions.net`, `/{name}[/…]` | what follows the name |
//! | `Host: {name-with-dashes}-….run.app` | all of it |
//! | an explicit route of the manifest | all of it |
//! | a rewrite of the manifest to a function | all of it |
//! | `/{name}[/…]` | what follows the name |
//! | `/{project}/{region}/{name}[/…]` | what follows the name |
//!
//! They are tried in this order; a rewrite to a file only stands in for a 404. Escapes, slashes and the
//! query reach the function untouched; duplicate slashes are passed over only where a function's name is
//! expected (the SDK of the web makes `//name` from a base URL that ends in a slash). Nothing is ever
//! redirected: a redirected POST arrives as a GET.

mod path;
mod rewrites;
mod unmatched;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{Method, Uri};
use manifest::{FunctionSpec, Manifest, Trigger};
use serde::{Deserialize, Serialize};

use self::path::{leading_slash_once, segment};
use self::rewrites::{Rewrites, Target};

pub(crate) use self::path::single_slashes;
pub(crate) use self::unmatched::Unmatched;

/// Where a function stands in the list that the table was made from.
pub(crate) type FunctionIndex = usize;

/// Immutable: made once from a manifest, shared by all requests.
pub(crate) struct RouteTable {
    /// `{region}-{project}.cloudfunctions.net`
    region_hosts: Vec<String>,
    /// Names with dashes, as Cloud Run spells a service.
    services: HashMap<String, FunctionIndex>,
    names: HashMap<String, Named>,
    explicit: matchit::Router<Explicit>,
    /// The one function that everything else runs, whatever the path.
    target: Option<FunctionIndex>,
    rewrites: Rewrites,
    project: String,
    regions: Vec<String>,
}

#[derive(Clone, Copy)]
struct Named {
    function: FunctionIndex,
    subpaths: bool,
}

/// The functions of one explicit path, by method.
struct Explicit {
    pattern: Arc<str>,
    methods: Vec<(Option<Method>, FunctionIndex)>,
}

/// The function that a request means.
#[derive(Debug)]
pub(crate) struct RouteMatch {
    pub(crate) function: FunctionIndex,
    pub(crate) parameters: Parameters,
    /// What the function sees in place of the request's path and query.
    pub(crate) path: SeenPath,
    /// Whether Firebase Hosting would stand between the client and the function.
    pub(crate) rewritten: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SeenPath {
    Whole,
    /// The bytes of the path that remain; empty means `/`.
    Rest(Range<usize>),
}

/// The `{name}` segments of an explicit route, still percent-encoded.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Parameters {
    pattern: Option<Arc<str>>,
    values: Vec<(String, String)>,
}

impl Parameters {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn pattern(&self) -> Option<&str> {
        self.pattern.as_deref()
    }
}

impl RouteTable {
    /// `functions` in the order that [`RouteMatch::function`] counts in. The manifest is valid, so
    /// two functions never claim one URL.
    pub(crate) fn new<'a>(
        manifest: &Manifest,
        functions: impl Iterator<Item = &'a FunctionSpec>,
    ) -> Self {
        let mut table = Self {
            region_hosts: manifest
                .project
                .regions
                .iter()
                .map(|region| format!("{region}-{}.cloudfunctions.net", manifest.project.id))
                .collect(),
            services: HashMap::new(),
            names: HashMap::new(),
            explicit: matchit::Router::new(),
            target: None,
            rewrites: Rewrites::default(),
            project: manifest.project.id.clone(),
            regions: manifest.project.regions.clone(),
        };
        let mut explicit: HashMap<&str, Explicit> = HashMap::new();
        for (index, spec) in functions.enumerate().filter(|(_, spec)| spec.enabled) {
            table.add_names(spec, index);
            if let Trigger::Http(http) = &spec.trigger {
                for route in &http.routes {
                    let method = route.method.as_deref().and_then(|m| m.parse().ok());
                    explicit
                        .entry(&route.path)
                        .or_insert_with(|| Explicit {
                            pattern: route.path.as_str().into(),
                            methods: Vec::new(),
                        })
                        .methods
                        .push((method, index));
                }
            }
        }
        for (path, route) in explicit {
            // Cannot fail: the manifest's validation inserted the same patterns into such a router.
            let _ = table.explicit.insert(path, route);
        }
        let by_name = |name: &String| table.names.get(name).map(|named| named.function);
        table.rewrites = Rewrites::new(&manifest.rewrites, by_name);
        table.target = manifest.target.as_ref().and_then(by_name);
        table
    }

    fn add_names(&mut self, spec: &FunctionSpec, function: FunctionIndex) {
        let subpaths = match &spec.trigger {
            Trigger::Http(http) => http.subpaths,
            Trigger::Callable(_) => true,
            Trigger::Event(event) => event.subpaths,
            Trigger::Storage(_) => false,
        };
        for name in std::iter::once(&spec.name).chain(&spec.aliases) {
            let service = name.to_ascii_lowercase().replace('_', "-");
            self.services.insert(service, function);
            self.names
                .insert(name.clone(), Named { function, subpaths });
        }
    }

    /// # Errors
    /// 404 when no form matches; 405, with `Allow`, when an explicit route exists for other methods.
    pub(crate) fn lookup(
        &self,
        host: &str,
        method: &Method,
        path: &str,
    ) -> Result<RouteMatch, Unmatched> {
        let host = host_name(host);
        if ends_with_ignore_case(host, ".cloudfunctions.net") {
            let known = self
                .region_hosts
                .iter()
                .any(|h| host.eq_ignore_ascii_case(h));
            return known
                .then(|| self.by_name(path, 0))
                .flatten()
                .ok_or_else(Unmatched::not_found);
        }
        if let Some(function) = self.by_service(host) {
            return Ok(match self.by_explicit_route(method, path) {
                Some(Ok(found)) if found.function == function => found,
                _ => RouteMatch::whole(function, Parameters::default()),
            });
        }
        if let Some(found) = self.by_explicit_route(method, path) {
            return found;
        }
        if let Some(function) = self.target {
            return Ok(RouteMatch::whole(function, Parameters::default()));
        }
        let destination = match self.rewrites.find(path) {
            Some(Target::Function(function)) => return Ok(RouteMatch::rewritten(*function)),
            Some(Target::File(file)) => Some(file.clone()),
            None => None,
        };
        self.by_name(path, 0)
            .or_else(|| self.by_region(path))
            .ok_or_else(|| Unmatched::hosted(destination))
    }

    /// `{service}-{hash}-{region code}.a.run.app` and `{service}-{number}.{region}.run.app`, each
    /// perhaps behind a revision's `{tag}---`.
    fn by_service(&self, host: &str) -> Option<FunctionIndex> {
        if !ends_with_ignore_case(host, ".run.app") {
            return None;
        }
        let host = host.to_ascii_lowercase();
        let (label, domain) = host.strip_suffix(".run.app")?.split_once('.')?;
        let label = label.rsplit("---").next()?;
        let (service, last) = label.rsplit_once('-')?;
        let service = if domain == "a" {
            service.rsplit_once('-')?.0
        } else {
            last.bytes()
                .all(|b| b.is_ascii_digit())
                .then_some(service)?
        };
        self.services.get(service).copied()
    }

    fn by_explicit_route(
        &self,
        method: &Method,
        path: &str,
    ) -> Option<Result<RouteMatch, Unmatched>> {
        let found = self.explicit_match(path)?;
        let functions = &found.value.methods;
        let serves = |allowed: &Method| {
            allowed == method || (allowed == Method::GET && method == Method::HEAD)
        };
        let function = functions
            .iter()
            .find(|(allowed, _)| allowed.as_ref().is_some_and(serves))
            .or_else(|| functions.iter().find(|(allowed, _)| allowed.is_none()));
        let Some((_, function)) = function else {
            return Some(Err(Unmatched::method(functions)));
        };
        let parameters = Parameters {
            pattern: Some(found.value.pattern.clone()),
            values: found
                .params
                .iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        };
        Some(Ok(RouteMatch::whole(*function, parameters)))
    }

    /// By the path as a pattern knows it: as sent, or with one slash at its start where a base URL that
    /// ends in a slash made two, or without a trailing slash. Most paths are all three, and looked up once.
    fn explicit_match<'p>(&self, path: &'p str) -> Option<matchit::Match<'_, 'p, &Explicit>> {
        let at = |path| self.explicit.at(path).ok();
        let single = leading_slash_once(path);
        let bare = single.strip_suffix('/').unwrap_or(single);
        at(path)
            .or_else(|| (single != path).then(|| at(single)).flatten())
            .or_else(|| (bare != single).then(|| at(bare)).flatten())
    }

    /// `/{name}` and `/{name}/…` from byte `from` of the path on.
    fn by_name(&self, path: &str, from: usize) -> Option<RouteMatch> {
        let name = segment(path, from)?;
        let named = self.names.get(&path[name.clone()])?;
        let rest = name.end..path.len();
        if !named.subpaths && !matches!(&path[rest.clone()], "" | "/") {
            return None;
        }
        Some(RouteMatch {
            function: named.function,
            parameters: Parameters::default(),
            path: SeenPath::Rest(rest),
            rewritten: false,
        })
    }

    /// `/{project}/{region}/{name}[/…]`
    fn by_region(&self, path: &str) -> Option<RouteMatch> {
        let project = segment(path, 0)?;
        let region = segment(path, project.end)?;
        let known = path[project] == self.project
            && self.regions.iter().any(|r| *r == path[region.clone()]);
        known.then(|| self.by_name(path, region.end)).flatten()
    }
}

impl RouteMatch {
    fn whole(function: FunctionIndex, parameters: Parameters) -> Self {
        Self {
            function,
            parameters,
            path: SeenPath::Whole,
            rewritten: false,
        }
    }

    fn rewritten(function: FunctionIndex) -> Self {
        Self {
            rewritten: true,
            ..Self::whole(function, Parameters::default())
        }
    }
}

impl SeenPath {
    /// The URI that the function sees: the rest of the path and the query, byte for byte.
    pub(crate) fn uri(&self, uri: &Uri) -> Uri {
        let Self::Rest(rest) = self else {
            return uri.clone();
        };
        let path = &uri.path()[rest.clone()];
        let path = if path.is_empty() { "/" } else { path };
        let seen: Result<PathAndQuery, _> = match uri.query() {
            // What most requests leave, and the one URI that needs no memory.
            None if path == "/" => return Uri::default(),
            None => path.parse(),
            Some(query) => format!("{path}?{query}").parse(),
        };
        seen.map(Uri::from).unwrap_or_else(|_| uri.clone())
    }
}

/// The host without its port; an IPv6 literal keeps its brackets.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn ends_with_ignore_case(host: &str, suffix: &str) -> bool {
    host.len()
        .checked_sub(suffix.len())
        .and_then(|start| host.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests;
