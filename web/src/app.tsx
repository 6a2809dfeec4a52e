/** Which page is shown. */
import { useSlice } from "@todoki/react";
import { EventsPage } from "./pages/events.tsx";
import { NotFoundPage } from "./pages/not-found.tsx";
import { type Router, routeOf } from "./router.ts";
import type { ViewStore } from "./view-store.ts";

export function App({ router, store }: { router: Router; store: ViewStore }) {
  const { path } = useSlice(router.place);
  return routeOf(path).page === "not-found" ? <NotFoundPage /> : <EventsPage store={store} />;
}
