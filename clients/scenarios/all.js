/** Every group of scenarios. */
import { access } from './access.js';
import { interruptions } from './interruptions.js';
import { objects } from './objects.js';
import { page, presigned } from './page.js';
import { uploads } from './uploads.js';

export const groups = { page, presigned, uploads, interruptions, objects, access };
