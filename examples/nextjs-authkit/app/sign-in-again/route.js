import { getSignInUrl } from '@workos-inc/authkit-nextjs';
import { redirect } from 'next/navigation';

// Asks a signed-in user for a proof, however recent the last one is.
export const GET = async () => redirect(await getSignInUrl({ returnTo: '/account', maxAge: 0 }));
