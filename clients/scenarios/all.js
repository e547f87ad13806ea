/** Every group of scenarios that can run in a page. */
import { access } from './access.js';
import { apps, demandedApps } from './apps.js';
import { callables, streams } from './callables.js';
import { anonymousChat, chat } from './chat.js';
import { interruptions } from './interruptions.js';
import { objects } from './objects.js';
import { ownHost } from './own_host.js';
import { page, presigned } from './page.js';
import { pageOnly } from './page_only.js';
import { uploads } from './uploads.js';

export const groups = {
  page,
  chat,
  anonymousChat,
  presigned,
  uploads,
  interruptions,
  objects,
  access,
  ownHost,
  pageOnly,
  callables,
  streams,
  apps,
  demandedApps,
};
