/**
 * Runs scenarios in Chromium, in a page of the product's own origin. Every name is the real one and leads to this
 * machine: the page at https://holograms.media, the router at its public name and at its old Cloud Functions one,
 * Google's two hosts to the stub; nothing else resolves.
 */
import http2 from 'node:http2';
import { mkdir, readFile } from 'node:fs/promises';
import { after, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

import * as esbuild from 'esbuild';
import { chromium } from 'playwright-core';

import { groups } from '../scenarios/all.js';
import { identity } from './identity.js';
import { listen, unlisten } from './ports.js';
import { VERSIONS } from './sdk.js';
import { Stage } from './stage.js';

const FOLDER = fileURLToPath(new URL('../', import.meta.url));
const SITE = 'holograms.media';
/** What the router is called after the move. */
export const SERVER = 'api.holograms.media';
const FORMER = 'europe-west1-holograms-media.cloudfunctions.net';
const GOOGLE = ['identitytoolkit.googleapis.com', 'securetoken.googleapis.com'];

/** Where an app in the page finds the server: by the knobs for a host of one's own, under TLS. */
export const PLACE = {
  project: 'holograms-media',
  storage: { knob: 'host', host: SERVER },
  functions: `https://${SERVER}`,
  base: `https://${SERVER}`,
  former: `https://${FORMER}`,
};

/** @param names the groups to run */
export function inChromium(title, names, { place = PLACE, ...options } = {}) {
  describe(title, () => {
    let stage, outside, browser;
    before(async () => {
      stage = await Stage.set({ ...options, tls: true });
      outside = await serveOutside(stage);
      browser = await launch({
        [SITE]: outside.site,
        [SERVER]: stage.edge.port,
        [FORMER]: stage.edge.port,
        ...Object.fromEntries(GOOGLE.map((host) => [host, outside.google])),
      });
    });
    after(async () => {
      await browser?.close();
      await outside?.stop();
      await stage?.strike();
    });
    for (const version of VERSIONS) {
      describe(version, () => {
        let page;
        before(async () => (page = await open(browser, stage, version)));
        beforeEach(() => stage.edge.reset());
        after(async () => page && photograph(page, `${title} ${version}`));
        for (const group of names) {
          describe(group, () => {
            for (const name of Object.keys(groups[group])) {
              test(name, () => page.evaluate(([...argv]) => window.run(...argv), [group, name, place]));
            }
          });
        }
      });
    }
  });
}

async function launch(hosts) {
  const rules = Object.entries(hosts).map(([host, port]) => `MAP ${host}:443 127.0.0.1:${port}`);
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [`--host-resolver-rules=${[...rules, 'MAP * ~NOTFOUND'].join(', ')}`],
  });
}

async function open(browser, stage, version) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.setDefaultTimeout(0);
  await page.exposeFunction('control', (lever, ...argv) => stage.control[lever](...argv));
  const faults = [];
  page.on('pageerror', (error) => faults.push(error));
  await page.goto(`https://${SITE}/?${version}`);
  await page.waitForFunction(() => window.run, undefined, { timeout: 20_000 }).catch((error) => {
    throw new AggregateError([...faults, error], 'the page does not run');
  });
  return page;
}

async function photograph(page, title) {
  const output = path.join(FOLDER, 'output');
  await mkdir(output, { recursive: true });
  await page.screenshot({ path: path.join(output, `${title.replaceAll(' ', '-')}.png`), fullPage: true });
  await page.context().close();
}

/** The site with its bundles, and Google. */
async function serveOutside(stage) {
  const files = new Map([['/', ['text/html; charset=utf-8', await readFile(path.join(FOLDER, 'pages/index.html'))]]]);
  for (const version of VERSIONS) files.set(`/page.js?${version}`, ['text/javascript', await bundle(version)]);
  const site = await overTls((request, response) => {
    const url = new URL(request.url, `https://${SITE}`);
    const referrer = request.headers.referer ? new URL(request.headers.referer).search : '';
    const [type, body] = files.get(url.pathname === '/page.js' ? `/page.js${referrer}` : url.pathname) ?? [];
    response.writeHead(type ? 200 : 404, { 'content-type': type ?? 'text/plain' });
    response.end(body);
  });
  const google = await overTls(stage.google.handle);
  return { site: site.port, google: google.port, stop: () => Promise.all([site.stop(), google.stop()]) };
}

async function overTls(handle) {
  const server = http2.createSecureServer({ ...identity(), allowHTTP1: true }, handle);
  return { port: await listen(server), stop: () => unlisten(server) };
}

async function bundle(version) {
  const { outputFiles } = await esbuild.build({
    entryPoints: [path.join(FOLDER, 'pages/page.js')],
    alias: { firebase: version },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0].contents;
}
