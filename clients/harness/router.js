/**
 * The binaries under test as child processes: each on a free loopback port, with a data folder of its own that
 * outlives a restart.
 */
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const TARGET = process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target');
const LISTENING = /listening on http:\/\/127\.0\.0\.1:(\d+)/;
const PATIENCE = 60_000;
const ADMIN_TOKEN = 'the token of an administrator';

export class Router {
  #command;
  #environment;
  #folder;
  #child;
  #log = '';
  port = 0;

  /**
   * @param binary the name of the built program
   * @param manifest the path of its manifest, from the root of the workspace
   * @param command `serve` or `dev`
   * @param edit makes the manifest's text another one
   */
  static async start(options) {
    const { binary = 'router', command = 'serve', manifest = 'manifest.toml', environment } = options;
    const { edit = (text) => text } = options;
    const router = new Router();
    router.#folder = await mkdtemp(path.join(tmpdir(), 'clients-'));
    // A program that is started as root goes on as another user, who must get in.
    await chmod(router.#folder, 0o755);
    const disk = path.join(router.#folder, 'disk');
    await mkdir(disk);
    const edited = path.join(router.#folder, 'manifest.toml');
    await writeFile(edited, edit(await readFile(path.join(ROOT, manifest), 'utf8')));
    router.#command = [path.join(TARGET, 'debug', binary), command];
    router.#environment = {
      PATH: process.env.PATH,
      HOST: '127.0.0.1',
      PORT: '0',
      RENDER_DISK_BASE_PATH: disk,
      MANIFEST: edited,
      // The edge of these tests, as Render's is believed in production.
      TRUSTED_PROXIES: '127.0.0.1/32',
      ADMIN_TOKEN,
      ...environment,
    };
    await router.resume();
    return router;
  }

  /** Starts the process, again on the same disk after [`kill`]. */
  async resume() {
    const [binary, ...argv] = this.#command;
    const child = spawn(binary, argv, {
      cwd: this.#folder,
      env: this.#environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    this.port = await new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`${binary} ${why}:\n${this.#log}`));
      const alarm = setTimeout(() => fail('did not say that it listens'), PATIENCE);
      child.once('error', (error) => fail(error.message));
      child.once('exit', () => fail('ended'));
      child.stderr.setEncoding('utf8').on('data', (text) => {
        this.#log += text;
        const [, port] = LISTENING.exec(this.#log.slice(-text.length - 100)) ?? [];
        if (port) {
          clearTimeout(alarm);
          resolve(Number(port));
        }
      });
    });
  }

  /** Ends the process as a power cut would. */
  async kill() {
    await this.#end('SIGKILL');
  }

  /** Ends the process as the platform would, and removes its folder. */
  async stop() {
    await this.#end('SIGTERM');
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #end(signal) {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await exit;
  }

  /** Everything it has written to stderr. */
  get log() {
    return this.#log;
  }

  /** How many invocations of a function run now. */
  async inFlight(name) {
    return this.#metric(`router_in_flight{function="${name}"}`);
  }

  /** How many events a function has been given, and has done with. */
  async delivered(name) {
    return this.#metric(`router_deliveries_total{function="${name}",outcome="done"}`);
  }

  async #metric(sample) {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const metrics = await (await fetch(`http://127.0.0.1:${this.port}/metrics`, { headers })).text();
    const line = metrics.split('\n').find((line) => line.startsWith(`${sample} `));
    if (!line) throw new Error(`no ${sample} among the metrics:\n${metrics}`);
    return Number(line.slice(sample.length));
  }

  /** Resident memory in bytes, now and at most since the start. */
  async memory() {
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8');
    const bytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]) * 1024;
    return { resident: bytes('VmRSS'), most: bytes('VmHWM') };
  }
}
