/** Storage through the SDK in Node under TLS, by the property `host`. */
import { onEveryVersion } from '../harness/node.js';
import { objects } from '../scenarios/objects.js';
import { ownHost } from '../scenarios/own_host.js';

onEveryVersion('a host of its own', { ownHost, objects }, { tls: true });
