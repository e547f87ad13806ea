/** Uploads through the SDK in Chromium that are disturbed. */
import { inChromium } from '../harness/chromium.js';

inChromium('interruptions in Chromium', ['interruptions']);
