/** The project of examples/conformance, with a rewrite as firebase.json has them. */
export const CONFORMANCE = {
  binary: 'conformance',
  manifest: 'examples/conformance/manifest.toml',
  edit: (manifest) => `${manifest}\n[[rewrites]]\nsource   = "/api/**"\nfunction = "echo"\n`,
};

/** The same, with a function that demands App Check. */
export const GUARDED = {
  ...CONFORMANCE,
  edit: (manifest) => manifest.replace('[functions.echo]', '[functions.echo]\napp_check = "required"'),
};
