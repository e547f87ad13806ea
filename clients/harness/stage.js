/** A router, an edge before it and the outside world that both ask, for one file of tests. */
import { content } from '../scenarios/content.js';
import { digests } from './digests.js';
import { Edge } from './edge.js';
import { Google } from './google.js';
import { identity } from './identity.js';
import { Llm } from './llm.js';
import { serve } from './ports.js';
import { Router } from './router.js';

export const LLM_KEY = 'an-llm-key';

export class Stage {
  google = new Google();
  llm = new Llm();
  #outside;
  #router;
  #edge;
  #tls;

  /**
   * @param options of {@link Router.start}
   * @param options.tls whether the edge speaks it
   */
  static async set({ tls = false, ...options } = {}) {
    const stage = new Stage();
    stage.#tls = tls;
    const google = await serve(stage.google.handle);
    const llm = await serve(stage.llm.handle);
    stage.#outside = { google, llm };
    stage.#router = await Router.start({
      ...options,
      environment: {
        FIREBASE_JWKS_URL: `http://127.0.0.1:${google.port}/jwks`,
        APP_CHECK_JWKS_URL: `http://127.0.0.1:${google.port}/jwks`,
        MISTRAL_API_KEY: LLM_KEY,
        MISTRAL_API_URL: `http://127.0.0.1:${llm.port}/v1/chat/completions`,
        ...options.environment,
      },
    });
    stage.#edge = await Edge.start(() => stage.#router.port, tls ? identity() : undefined);
    return stage;
  }

  async strike() {
    await this.#edge.stop();
    await this.#router.stop();
    await this.#outside.google.stop();
    await this.#outside.llm.stop();
  }

  get router() {
    return this.#router;
  }

  get edge() {
    return this.#edge;
  }

  /** Where an app in Node finds all this: by the SDK's emulator knobs, or under TLS by those for one's own host. */
  place(project) {
    const { port } = this.#edge;
    const host = this.#tls ? 'localhost' : '127.0.0.1';
    const base = `${this.#tls ? 'https' : 'http'}://${host}:${port}`;
    return {
      project,
      auth: `http://127.0.0.1:${this.#outside.google.port}`,
      storage: { knob: this.#tls ? 'host' : 'emulator', host, port },
      functions: base,
      base,
      former: base,
    };
  }

  /** What a scenario may pull, by name; arguments and results are JSON, so that a page can. */
  control = {
    fail: async (fault) => this.#edge.fail(fault),
    requests: async () => this.#edge.journal,
    preflights: async () => this.#edge.preflights,
    restart: async () => {
      await this.#router.kill();
      await this.#router.resume();
    },
    digests: async (length, seed) => digests(content(length, seed)),
    asked: async () => this.llm.asked,
    refreshes: async () => this.google.refreshes,
    vouched: async (project) => this.google.vouch(project),
    lifetime: async (seconds) => void (this.google.lifetime = seconds),
    inFlight: async (name) => this.#router.inFlight(name),
    delivered: async (name) => this.#router.delivered(name),
  };
}
