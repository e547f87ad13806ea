/** The page's own clients, in Chromium. */
import { inChromium } from '../harness/chromium.js';

inChromium('page in Chromium', ['page']);
