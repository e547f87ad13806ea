//! A function's context without a server, for unit tests.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{Environment, Folder, config};
use crate::app::Entry;
use crate::context::{Context, InvocationId, Invoked};
use crate::function::Registry;
use crate::identity::{AuthError, Principal};
use crate::open;

/// A [`Context`] over an embedded database and an empty storage, which live as long as it.
pub struct TestContext {
    context: Context,
    _folder: Folder,
}

impl Context {
    /// The context of one function of the manifest; `uid` is signed in, or nobody.
    ///
    /// # Errors
    /// When the manifest has faults, or no such function.
    pub async fn test(
        registry: &Registry,
        function: &str,
        uid: Option<&str>,
    ) -> anyhow::Result<TestContext> {
        let folder = Folder::new()?;
        let parsed = manifest::parse(registry.manifest);
        let manifest = parsed.manifest.context("the manifest has faults")?;
        let spec = manifest
            .functions
            .get(function)
            .with_context(|| format!("the manifest has no [functions.{function}]"))?
            .clone();
        let code = registry.functions.get(function);
        let code = code.with_context(|| format!("the registry has no {function}"))?;
        let entry = Entry::new(spec, code.clone());
        let config = config(&folder, &Environment::default())?;
        let (_, backends) =
            open::backends(registry, &config, &manifest, &Handle::current()).await?;
        let principal = |uid: &str| {
            Arc::new(Principal {
                uid: uid.to_owned(),
                email: None,
                claims: BTreeMap::new(),
            })
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        let context = Self::new(
            Arc::new(entry),
            Arc::new(backends),
            Invoked {
                caller: uid.map(principal).ok_or(AuthError::Missing),
                ..Invoked::by_event(InvocationId([b'0'; 24]), 1, deadline)
            },
        );
        Ok(TestContext {
            context,
            _folder: folder,
        })
    }
}

impl Deref for TestContext {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}
