/** Runs scenarios in a page, one at a time, and lists them. */
import * as app from 'firebase/app';
import * as appCheck from 'firebase/app-check';
import * as auth from 'firebase/auth';
import * as functions from 'firebase/functions';
import * as storage from 'firebase/storage';

import { groups } from '../scenarios/all.js';
import { World } from '../scenarios/world.js';

const sdk = { ...app, ...appCheck, ...auth, ...functions, ...storage };
/** `window.control` is the test's; it takes a lever's name and its arguments. */
const control = new Proxy({}, { get: (_, lever) => (...argv) => window.control(lever, ...argv) });

document.querySelector('h1').textContent = `firebase ${sdk.SDK_VERSION} at ${location.origin}`;

window.run = async (group, name, place) => {
  const entry = document.querySelector('ul').appendChild(document.createElement('li'));
  entry.textContent = name;
  const started = performance.now();
  const world = new World(sdk, place, control);
  try {
    await groups[group][name](world);
  } catch (error) {
    entry.className = 'failed';
    entry.append(`: ${error.message}`);
    throw error;
  } finally {
    const time = document.createElement('small');
    time.textContent = ` ${Math.round(performance.now() - started)} ms`;
    entry.append(time);
    await world.close();
  }
};
