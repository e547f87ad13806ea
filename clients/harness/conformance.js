/** The project of examples/conformance, with a rewrite as firebase.json has them. */
export const CONFORMANCE = {
  binary: 'conformance',
  manifest: 'examples/conformance/manifest.toml',
  edit: (manifest) => `${manifest}\n[[rewrites]]\nsource   = "/api/**"\nfunction = "echo"\n`,
};
