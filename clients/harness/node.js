/** Runs scenarios in Node, with every version of the SDK. */
import { after, before, beforeEach, describe, test } from 'node:test';

import { World } from '../scenarios/world.js';
import { VERSIONS, load } from './sdk.js';
import { Stage } from './stage.js';

/**
 * @param scenarios groups of them by name
 * @param options `project` of the app, `versions` of the SDK; the rest is for {@link Stage.set}
 */
export function onEveryVersion(title, scenarios, options = {}) {
  const { project = 'holograms-media', versions = VERSIONS, ...staging } = options;
  describe(title, () => {
    let stage;
    before(async () => (stage = await Stage.set(staging)));
    after(() => stage?.strike());
    for (const version of versions) {
      describe(version, () => {
        beforeEach(() => stage.edge.reset());
        for (const [group, members] of Object.entries(scenarios)) {
          describe(group, () => {
            for (const [name, scenario] of Object.entries(members)) {
              test(name, async () => {
                const world = new World(await load(version), stage.place(project), stage.control);
                try {
                  await scenario(world);
                } finally {
                  await world.close();
                }
              });
            }
          });
        }
      });
    }
  });
}
