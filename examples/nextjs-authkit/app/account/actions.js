'use server';

import { checkRecentAuth, getSignInUrl, refreshSession, signOut } from '@workos-inc/authkit-nextjs';
import { redirect } from 'next/navigation';

const FIVE_MINUTES = 300;

export async function pay() {
  const { isStale } = await checkRecentAuth({ maxAge: FIVE_MINUTES });
  redirect(isStale ? await getSignInUrl({ returnTo: '/account', maxAge: FIVE_MINUTES }) : '/account?paid=yes');
}

export async function refresh() {
  await refreshSession({ ensureSignedIn: true });
  // A new request: within this one `withAuth` returns the session from before.
  redirect('/account');
}

export async function leave() {
  await signOut({ returnTo: new URL(process.env.NEXT_PUBLIC_WORKOS_REDIRECT_URI).origin });
}
