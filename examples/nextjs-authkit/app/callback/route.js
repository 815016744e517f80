import { handleAuth } from '@workos-inc/authkit-nextjs';

// Where the browser comes back to: redeems the code and sets the session cookie.
export const GET = handleAuth({
  returnPathname: '/account',
  baseURL: new URL(process.env.NEXT_PUBLIC_WORKOS_REDIRECT_URI).origin,
  // Reached without a code too: the user gave up on the pages, or took longer than ten minutes.
  onError: () => new Response('You are not signed in. Start again at /sign-in.', { status: 400 }),
});
