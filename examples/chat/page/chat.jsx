// The page of the chat, by the official React client of Convex, as it is.
//
// chat.js is made from it, and committed, so that nothing has to be built to run the example. Make
// it anew after a change, in the folder of the project:  make examples/chat/page/chat.js
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import {
  ConvexProvider,
  ConvexReactClient,
  insertAtTop,
  useConvexConnectionState,
  useMutation,
  usePaginatedQuery,
  useQuery,
} from "convex/react";
import { anyApi as api } from "convex/server";

// The server is where the page comes from, also below a prefix of another application.
const client = new ConvexReactClient(new URL(".", location.href).href.replace(/\/$/, ""));

const PAGE = { initialNumItems: 40 };

let sent = 0; // how many messages were shown before the server had them

function Chat({ name }) {
  const channel = useChannel();
  const channels = useQuery(api.chat.channels) ?? [];
  const current = channels.find((one) => one.name === channel);
  const join = useMutation(api.chat.join);
  useEffect(() => void join({ name: channel }), [channel]);
  return (
    <div className="chat">
      <nav aria-label="Channels">
        <h1>Chat</h1>
        {channels.map((one) => (
          <a
            key={one._id}
            href={`#${encodeURIComponent(one.name)}`}
            aria-current={one === current ? "page" : undefined}
          >
            # {one.name}
          </a>
        ))}
        <Line label="New channel" onLine={(line) => (location.hash = encodeURIComponent(line))} />
      </nav>
      <header>
        <h2># {channel}</h2>
        <Connection name={name} />
      </header>
      {current && <Room key={current._id} channel={current._id} name={name} />}
    </div>
  );
}

// The channel that the address names.
function useChannel() {
  const read = () => decodeURIComponent(location.hash.slice(1)) || "general";
  const [channel, setChannel] = useState(read);
  useEffect(() => {
    const onChange = () => setChannel(read());
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  return channel;
}

function Room({ channel, name }) {
  const { results, status, loadMore } = usePaginatedQuery(api.chat.page, { channel }, PAGE);
  const send = useMutation(api.chat.send).withOptimisticUpdate((store, { author, body }) => {
    const _id = `sending ${(sent += 1)}`;
    const item = { _id, _creationTime: Date.now(), channel, author, body, sending: true };
    const argsToMatch = { channel };
    insertAtTop({ paginatedQuery: api.chat.page, argsToMatch, localQueryStore: store, item });
  });
  return (
    <main className="room">
      <ol className="messages" aria-label="Messages">
        {results.map((message, at) => (
          <Message key={message._id} message={message} before={results[at + 1]} />
        ))}
        {status === "CanLoadMore" && (
          <button className="quiet" onClick={() => loadMore(PAGE.initialNumItems)}>
            Earlier messages
          </button>
        )}
        {status === "Exhausted" && results.length === 0 && (
          <p className="empty faint">Nobody has said anything yet.</p>
        )}
      </ol>
      <Line label="Message" action="Send" onLine={(body) => void send({ channel, author: name, body })} />
    </main>
  );
}

function Message({ message, before }) {
  const isFirst = before?.author !== message.author;
  const said = new Date(message._creationTime);
  return (
    <li className={isFirst ? "first" : undefined} style={{ "--hue": hue(message.author) }}>
      {isFirst && (
        <>
          <strong>{message.author}</strong>
          <time dateTime={said.toISOString()}>
            {said.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}
          </time>
        </>
      )}
      <p className={message.sending ? "sending" : undefined}>{message.body}</p>
    </li>
  );
}

// Everybody has a colour, the same one on every page.
function hue(name) {
  return [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
}

function Connection({ name }) {
  const { isWebSocketConnected, hasEverConnected } = useConvexConnectionState();
  if (isWebSocketConnected || !hasEverConnected) return <span className="faint">You are {name}</span>;
  return <span className="offline">Connecting again; what you write is sent then.</span>;
}

// One line of text, and what becomes of it.
function Line({ label, action, onLine }) {
  const [text, setText] = useState("");
  const submit = (event) => {
    event.preventDefault();
    setText("");
    if (text.trim()) onLine(text.trim());
  };
  return (
    <form onSubmit={submit}>
      <input
        aria-label={label}
        placeholder={label}
        value={text}
        maxLength={2000}
        autoComplete="off"
        onChange={(event) => setText(event.target.value)}
      />
      {action && <button disabled={!text.trim()}>{action}</button>}
    </form>
  );
}

function Welcome({ onName }) {
  return (
    <main className="welcome">
      <h1>Chat</h1>
      <p>What do the others call you?</p>
      <Line label="Your name" action="Come in" onLine={onName} />
    </main>
  );
}

function Page() {
  // Of one tab: two tabs can talk to each other.
  const [name, setName] = useState(() => sessionStorage.getItem("name"));
  const onName = (given) => {
    if (!given) return;
    sessionStorage.setItem("name", given);
    setName(given);
  };
  return name ? <Chat name={name} /> : <Welcome onName={onName} />;
}

createRoot(document.getElementById("chat")).render(
  <ConvexProvider client={client}>
    <Page />
  </ConvexProvider>,
);
