/** Storage through the SDK in Chromium, from the product's own origin, under TLS, by the property `host`. */
import { inChromium } from '../harness/chromium.js';

inChromium('storage in Chromium', ['uploads', 'objects', 'access', 'presigned', 'ownHost', 'pageOnly']);
