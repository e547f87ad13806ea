/**
 * What a scenario works with: the SDK, connected to the servers under test by the knobs that an app would turn, a way
 * to sign in, and the levers of the test.
 *
 * @typedef {object} Place where the servers are, as JSON
 * @property {string} project
 * @property {string} [key] the project whose tokens the stub of Google gives out, if another
 * @property {string} [auth] of the stub, for `connectAuthEmulator`; without it the SDK asks Google's hosts
 * @property {{ knob: 'emulator'|'host', host: string, port?: number }} storage
 * @property {string} functions the base of the callables' URLs
 * @property {string} base of the router's own URLs
 * @property {string} former where the functions were before the move
 */

let worlds = 0;

export class World {
  /**
   * @param sdk what the modules `firebase/{app,app-check,auth,storage,functions}` export
   * @param {Place} place
   * @param control runs a lever of the test by its name, in the process of the test
   */
  constructor(sdk, place, control) {
    this.sdk = sdk;
    this.place = place;
    this.control = control;
    const { project, key: apiKey = project } = place;
    const storageBucket = `${project}.firebasestorage.app`;
    const options = { apiKey, projectId: project, appId: '1:1:web:1', storageBucket };
    this.app = sdk.initializeApp(options, `world-${(worlds += 1)}`);
    this.auth = this.#auth();
    this.storage = this.bucket();
    this.functions = sdk.getFunctions(this.app, place.functions);
  }

  #auth() {
    const { sdk, place } = this;
    const auth = sdk.initializeAuth(this.app, { persistence: sdk.inMemoryPersistence });
    if (place.auth) sdk.connectAuthEmulator(auth, place.auth, { disableWarnings: true });
    return auth;
  }

  /** @param bucket another than the app's own, as `gs://…` */
  bucket(bucket = undefined) {
    const { sdk, place } = this;
    const storage = sdk.getStorage(this.app, bucket);
    const { knob, host, port } = place.storage;
    if (knob === 'emulator') sdk.connectStorageEmulator(storage, host, port);
    else storage.host = port ? `${host}:${port}` : host;
    return storage;
  }

  /** A fresh user, signed in. @returns the uid */
  async signIn() {
    const email = `${Math.random().toString(36).slice(2)}-${Date.now()}@example.com`;
    const { user } = await this.sdk.createUserWithEmailAndPassword(this.auth, email, 'correct horse');
    return user.uid;
  }

  /** A reference below the folder of the user who is signed in. */
  mine(path = '') {
    return this.sdk.ref(this.storage, `user_uploads/${this.auth.currentUser.uid}${path && `/${path}`}`);
  }

  /** What the page's own clients send along. */
  async bearer() {
    return `Bearer ${await this.auth.currentUser.getIdToken()}`;
  }

  async close() {
    await this.sdk.deleteApp(this.app);
  }
}
