// The button that switches the language of the pages.

import { post } from "./dom.js";

const place = document.querySelector(".language");
place.hidden = false;
for (const button of place.querySelectorAll("button")) {
  button.addEventListener("click", async () => {
    await post("/api/language", { language: button.value });
    location.reload();
  });
}
