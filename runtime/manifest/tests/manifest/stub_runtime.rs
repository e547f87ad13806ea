//! The traits of the runtime that generated code names, in the shape that they have there.

use std::future::Future;

pub struct Context;
pub struct Request;
pub struct Response;
pub struct Error;
pub type Result<T> = std::result::Result<T, Error>;
pub struct CloudEvent<Data>(pub Data);
pub struct StorageObjectData;

/// serde's, of which a type may lack one.
pub trait Deserialize {}
impl Deserialize for String {}
impl Deserialize for StorageObjectData {}

pub struct Function;
pub struct Registry;
type Sql = &'static [(&'static str, &'static str)];
pub struct Migrations {
    pub postgres: Sql,
    pub sqlite: Sql,
}

impl Registry {
    pub fn new(_manifest: &'static str, _migrations: Migrations) -> Self {
        Self
    }

    pub fn function(self, _name: &'static str, _function: Function) -> Self {
        self
    }
}

pub trait HttpFunction<Shape>: Sized {
    fn into_function(self) -> Function;
}

pub trait CallableFunction<Shape>: Sized {
    fn into_function(self) -> Function;
}

pub trait EventFunction<Data>: Sized {
    fn into_function(self) -> Function;
}

pub struct Raw;
pub struct Json<In, Out>(std::marker::PhantomData<fn(In) -> Out>);

impl<F, Fut> HttpFunction<Raw> for F
where
    F: Fn(Context, Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    fn into_function(self) -> Function {
        Function
    }
}

impl<F, Fut, In, Out> HttpFunction<Json<In, Out>> for F
where
    F: Fn(Context, In) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Out>> + Send + 'static,
    In: Deserialize + Send + 'static,
    Out: Deserialize + 'static,
{
    fn into_function(self) -> Function {
        Function
    }
}

pub struct CallableShape<In, Out>(std::marker::PhantomData<fn(In) -> Out>);

impl<F, Fut, In, Out> CallableFunction<CallableShape<In, Out>> for F
where
    F: Fn(Context, In) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Out>> + Send + 'static,
    In: Deserialize + Send + 'static,
    Out: Deserialize + 'static,
{
    fn into_function(self) -> Function {
        Function
    }
}

impl<F, Fut, Data> EventFunction<Data> for F
where
    F: Fn(Context, CloudEvent<Data>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
    Data: Deserialize + 'static,
{
    fn into_function(self) -> Function {
        Function
    }
}
