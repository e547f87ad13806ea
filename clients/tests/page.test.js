/** The page's own clients, in Node. */
import { page } from '../scenarios/page.js';
import { onEveryVersion } from '../harness/node.js';

onEveryVersion('the page', { page });
