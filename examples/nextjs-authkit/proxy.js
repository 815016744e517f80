import { authkitProxy } from '@workos-inc/authkit-nextjs';

// Here and not by `withAuth({ ensureSignedIn: true })`, as pages of Next cannot set the cookie of a sign-in.
export default authkitProxy({
  middlewareAuth: { enabled: true, unauthenticatedPaths: ['/', '/sign-in'] },
});

export const config = { matcher: ['/', '/account', '/sign-in', '/sign-in-again'] };
