/** Starts the page: the address, the view that it says, the theme, and React. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { createRouter } from "./router.ts";
import "./styles.css";
import { followSystem } from "./theme.ts";
import { createViewStore } from "./view-store.ts";

followSystem();
const router = createRouter(window);
const store = createViewStore(router, window);
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App router={router} store={store} />
  </StrictMode>,
);
