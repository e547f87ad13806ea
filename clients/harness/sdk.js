/** The versions of the SDK under test, as package.json names them. */

export const VERSIONS = ['firebase-11', 'firebase-12'];

const MODULES = ['app', 'app-check', 'auth', 'storage', 'functions'];

/** Everything that the modules of one version export. */
export async function load(version) {
  const modules = await Promise.all(MODULES.map((module) => import(`${version}/${module}`)));
  return Object.assign({}, ...modules);
}
