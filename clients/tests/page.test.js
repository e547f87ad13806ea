/** The page's own clients and the chat, in Node. */
import { onEveryVersion } from '../harness/node.js';
import { apps } from '../scenarios/apps.js';
import { anonymousChat, chat } from '../scenarios/chat.js';
import { page } from '../scenarios/page.js';

onEveryVersion('the page', { page, chat, apps });
onEveryVersion('the page that sends no token', { anonymousChat }, {
  edit: (manifest) => manifest.replace('legacy_anonymous_chat = false', 'legacy_anonymous_chat = true'),
});
