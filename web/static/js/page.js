// Starts what the page does by itself, each in a module of its own. A fault of one leaves the others whole.

import * as chat from "./chat.js";
import * as conversations from "./conversations.js";
import * as documents from "./documents.js";
import * as exporting from "./export.js";
import * as feedback from "./feedback.js";
import * as filters from "./filters.js";
import * as mend from "./mend.js";
import * as search from "./search.js";
import * as speech from "./speech.js";
import * as viewer from "./viewer.js";

// The search and the viewer ask which documents of the visitor there are.
for (const feature of [chat, conversations, documents, viewer, search, exporting, filters, feedback, speech, mend]) {
  try {
    Promise.resolve(feature.start()).catch((error) => console.error(error));
  } catch (error) {
    console.error(error);
  }
}
