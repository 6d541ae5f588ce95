// SPDX-License-Identifier: BSD-2-Clause
// Before anything of a script's: what browsers have, and node 18 only elsewhere.
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto;
