import { withAuth } from '@workos-inc/authkit-nextjs';

export default async function HomePage() {
  const { user } = await withAuth();
  return (
    <main>
      <h1>Acme</h1>
      {user ? <a href="/account">{user.email}</a> : <a href="/sign-in">Sign in</a>}
    </main>
  );
}
