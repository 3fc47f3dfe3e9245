/** Names as in C and as in JavaScript. */

/** "event_bytes" as "eventBytes". @param {string} name */
export const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

/** "eventBytes" as "event_bytes"; a name that is in C's form already stays. @param {string} name */
export const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
