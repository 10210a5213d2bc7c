// A page of the official React client. What it shows is read by the test; what may only be seen for
// the length of one rendering, the page notes down itself: window.shown and window.faults.
import { useCallback, useEffect, useMemo, useState } from "react";
import { createRoot } from "react-dom/client";
import {
  Authenticated,
  ConvexProviderWithAuth,
  ConvexReactClient,
  Unauthenticated,
  useAction,
  useConvexConnectionState,
  useMutation,
  usePaginatedQuery,
  useQuery,
} from "convex/react";
import { anyApi as api } from "convex/server";
import { ConvexError } from "convex/values";

const given = new URLSearchParams(location.search);
const room = given.get("room");
const client = new ConvexReactClient(given.get("server") ?? location.origin, { logger: false });

window.shown = [];
window.faults = [];

function Texts() {
  const texts = useQuery(api.application.texts, { room });
  const say = useMutation(api.application.say).withOptimisticUpdate((store, { text }) => {
    const told = store.getQuery(api.application.texts, { room }) ?? [];
    store.setQuery(api.application.texts, { room }, [...told, `${text} (sending)`]);
  });
  const [draft, setDraft] = useState("");
  useEffect(() => {
    window.shown.push(texts ?? null);
  }, [texts]);
  const submit = (event) => {
    event.preventDefault();
    setDraft("");
    void say({ room, text: draft, rank: 1000 });
  };
  return (
    <form onSubmit={submit}>
      <ul aria-label="Texts">{texts?.map((text, at) => <li key={at}>{text}</li>)}</ul>
      <input aria-label="Draft" value={draft} onChange={(event) => setDraft(event.target.value)} />
      <button>Say</button>
    </form>
  );
}

function Pages() {
  const lines = useQuery(api.application.lines, { room });
  const options = { initialNumItems: 5 };
  const { results, status, loadMore } = usePaginatedQuery(api.application.page, { room }, options);
  if (lines !== undefined && status !== "LoadingFirstPage") {
    const expected = lines.slice(0, results.length).map((line) => line._id);
    const found = results.map((line) => line._id);
    if (`${expected}` !== `${found}`) window.faults.push({ expected, found });
  }
  return (
    <section>
      <ol aria-label="Pages">{results.map((line) => <li key={line._id}>{line.text}</li>)}</ol>
      <button onClick={() => loadMore(5)} disabled={status !== "CanLoadMore"}>
        More
      </button>
      <output aria-label="Status">{status}</output>
    </section>
  );
}

function Refused() {
  const refuse = useMutation(api.application.refuse);
  const byAction = useAction(api.application.sayByAction);
  const [told, setTold] = useState("");
  const onRefuse = async () => {
    try {
      await refuse({ room, data: { code: "SOLD_OUT", left: 3n } });
    } catch (error) {
      if (error instanceof ConvexError) setTold(`${error.data.code} ${error.data.left + 1n}`);
    }
  };
  const onAct = async () => setTold(`${await byAction({ room, text: "by action" })} there`);
  return (
    <section>
      <button onClick={onRefuse}>Refuse</button>
      <button onClick={onAct}>Act</button>
      <output aria-label="Told">{told}</output>
    </section>
  );
}

function Who({ onName }) {
  const who = useQuery(api.application.who, {});
  return (
    <section>
      <output aria-label="Who">{who === undefined ? "..." : (who ?? "nobody")}</output>
      <Authenticated>
        <button onClick={() => onName(null)}>Sign out</button>
      </Authenticated>
      <Unauthenticated>
        <button onClick={() => onName("ada")}>Sign in</button>
      </Unauthenticated>
    </section>
  );
}

function Connection() {
  const { isWebSocketConnected, connectionCount } = useConvexConnectionState();
  return (
    <output aria-label="Connection">
      {isWebSocketConnected ? `connected ${connectionCount}` : "not connected"}
    </output>
  );
}

function Page() {
  const [name, setName] = useState(null);
  const useAuth = useMemo(
    () =>
      function useAuth() {
        // window.tokenFor is the test's: a provider of identities.
        const fetchAccessToken = useCallback(() => window.tokenFor(name), [name]);
        return { isLoading: false, isAuthenticated: name !== null, fetchAccessToken };
      },
    [name],
  );
  return (
    <ConvexProviderWithAuth client={client} useAuth={useAuth}>
      <Texts />
      <Pages />
      <Refused />
      <Who onName={setName} />
      <Connection />
    </ConvexProviderWithAuth>
  );
}

createRoot(document.getElementById("root")).render(<Page />);
