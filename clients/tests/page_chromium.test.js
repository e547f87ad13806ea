/** The page's own clients and the chat, in Chromium. */
import { inChromium } from '../harness/chromium.js';

inChromium('page in Chromium', ['page', 'chat', 'apps']);
inChromium('page in Chromium that sends no token', ['anonymousChat'], {
  edit: (manifest) => manifest.replace('legacy_anonymous_chat = false', 'legacy_anonymous_chat = true'),
});
