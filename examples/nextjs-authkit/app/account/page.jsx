import { getTokenClaims, withAuth } from '@workos-inc/authkit-nextjs';
import { leave, pay, refresh } from './actions.js';

export default async function AccountPage({ searchParams }) {
  // The proxy has sent strangers to sign in, and checked the signature of the token.
  const { user, sessionId, accessToken } = await withAuth();
  const claims = await getTokenClaims(accessToken);
  const { paid } = await searchParams;
  return (
    <main>
      <h1>Account of {user.email}</h1>
      {paid === 'yes' && <p role="status">Paid.</p>}
      <dl>
        <dt>Session</dt>
        <dd id="session">{sessionId}</dd>
        <dt>Methods</dt>
        <dd id="amr">{claims.amr.join(' ')}</dd>
        <dt>Last proof</dt>
        <dd id="auth-time">{claims.auth_time}</dd>
        <dt>Token</dt>
        <dd id="token">{claims.jti}</dd>
      </dl>
      <form action={pay}><button>Pay</button></form>
      <form action={refresh}><button>Refresh</button></form>
      <p><a href="/sign-in-again">Sign in again</a></p>
      <form action={leave}><button>Sign out</button></form>
    </main>
  );
}
