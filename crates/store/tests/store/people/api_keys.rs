//! API keys: found by the hash of now, and until a rotation is over by the one before.

use portcullis_access::apikey::KeyHash;
use portcullis_contract::identity::{Changed, Ending, Gone, StoredApiKey, User, UserState};
use portcullis_model::{ApiKeyId, Permissions, UserId};

use super::world::{World, at, id, key, open, shown, user};

fn hash(number: u64) -> KeyHash {
    KeyHash::from_bytes(id(number))
}

#[tokio::test]
async fn a_key_comes_back_whole_with_its_owner_as_they_are_now() {
    for world in World::both().await {
        let opened = open(&world).await;
        let keys = &opened.store.api_keys;
        opened.people([1]).await;
        let bare = StoredApiKey {
            permissions: Permissions::default(),
            applications: Vec::new(),
            expires: None,
            used: Some(at(9)),
            before: Some((hash(99), at(50))),
            ..key(11, 1)
        };
        for kept in [key(10, 1), bare] {
            assert_eq!(keys.by_hash(&kept.hash).await.unwrap().map(|found| found.0), None);
            assert_eq!(keys.create(&kept).await, Ok(Changed::Yes));
            let (found, owner) = keys.by_hash(&kept.hash).await.unwrap().unwrap();
            assert_eq!((&found, shown(&owner)), (&kept, shown(&user(1))), "{}", world.name);
            assert_eq!(keys.by_name(&kept.name).await, Ok(Some(kept.clone())));
            assert_eq!(keys.by_id(kept.id).await, Ok(Some(kept)));
        }
        let closed = User { state: UserState::Disabled, ..user(1) };
        assert_eq!(opened.store.users.change(&closed, Ending::None, &[]).await, Ok(Changed::Yes));
        let (_, owner) = keys.by_hash(&hash(10)).await.unwrap().unwrap();
        assert_eq!(owner.state, UserState::Disabled);
    }
}

#[tokio::test]
async fn a_key_needs_a_name_of_its_own_and_an_owner() {
    for world in World::both().await {
        let opened = open(&world).await;
        let keys = &opened.store.api_keys;
        opened.people([1]).await;
        assert_eq!(keys.create(&key(10, 1)).await, Ok(Changed::Yes));
        let again = StoredApiKey { name: key(10, 1).name, ..key(11, 1) };
        assert_eq!(keys.create(&again).await, Ok(Changed::NameTaken), "{}", world.name);
        assert_eq!(keys.create(&key(12, 2)).await, Ok(Changed::Stale));
        // Two keys of one text cannot be told apart.
        let same = StoredApiKey { hash: hash(10), ..key(13, 1) };
        assert!(keys.create(&same).await.is_err());
        assert_eq!(keys.page(None, None, 10).await, Ok(vec![key(10, 1)]));
    }
}

#[tokio::test]
async fn the_hash_before_a_rotation_is_good_until_its_time() {
    for world in World::both().await {
        let opened = open(&world).await;
        let keys = &opened.store.api_keys;
        opened.people([1]).await;
        assert_eq!(keys.create(&key(10, 1)).await, Ok(Changed::Yes));
        assert_eq!(keys.rotate(ApiKeyId(id(11)), &hash(20), at(60)).await, Ok(Changed::Stale));
        assert_eq!(keys.rotate(ApiKeyId(id(10)), &hash(20), at(60)).await, Ok(Changed::Yes));
        let rotated = StoredApiKey { hash: hash(20), before: Some((hash(10), at(60))), ..key(10, 1) };
        let by = async |number| keys.by_hash(&hash(number)).await.unwrap().map(|(key, _)| key);
        for seconds in [0, 59] {
            opened.clock.set(seconds);
            assert_eq!((by(20).await, by(10).await), (Some(rotated.clone()), Some(rotated.clone())));
        }
        opened.clock.set(60);
        assert_eq!((by(20).await, by(10).await), (Some(rotated), None), "{}", world.name);
        // Only the last one before is kept.
        assert_eq!(keys.rotate(ApiKeyId(id(10)), &hash(30), at(100)).await, Ok(Changed::Yes));
        assert!(by(10).await.is_none() && by(20).await.is_some() && by(30).await.is_some());
        assert_eq!(opened.gone().await, [Gone::ApiKey(ApiKeyId(id(10))); 2]);
    }
}

#[tokio::test]
async fn a_deleted_key_is_gone_and_told() {
    for world in World::both().await {
        let opened = open(&world).await;
        let keys = &opened.store.api_keys;
        opened.people([1]).await;
        assert_eq!(keys.create(&key(10, 1)).await, Ok(Changed::Yes));
        assert_eq!(keys.delete(ApiKeyId(id(10))).await, Ok(true));
        assert_eq!(keys.delete(ApiKeyId(id(10))).await, Ok(false));
        assert!(keys.by_hash(&hash(10)).await.unwrap().is_none(), "{}", world.name);
        assert_eq!(opened.gone().await, [Gone::ApiKey(ApiKeyId(id(10)))]);
    }
}

#[tokio::test]
async fn keys_are_read_page_by_page_of_all_or_of_one_owner() {
    for world in World::both().await {
        let opened = open(&world).await;
        opened.people([1, 2]).await;
        for number in (10..20).rev() {
            assert_eq!(opened.store.api_keys.create(&key(number, 1 + number % 2)).await, Ok(Changed::Yes));
        }
        for (owner, wanted) in [
            (None, (10..20).collect::<Vec<u64>>()),
            (Some(1), vec![10, 12, 14, 16, 18]),
            (Some(2), vec![11, 13, 15, 17, 19]),
            (Some(3), vec![]),
        ] {
            let mut read: Vec<ApiKeyId> = Vec::new();
            loop {
                let owner = owner.map(|owner| UserId(id(owner)));
                let page = opened.store.api_keys.page(owner, read.last().copied(), 3).await.unwrap();
                if page.is_empty() {
                    break;
                }
                read.extend(page.into_iter().map(|key| key.id));
            }
            let wanted: Vec<_> = wanted.into_iter().map(|number| ApiKeyId(id(number))).collect();
            assert_eq!(read, wanted, "{}", world.name);
        }
    }
}

#[tokio::test]
async fn when_a_key_was_last_used_only_grows() {
    for world in World::both().await {
        let opened = open(&world).await;
        let keys = &opened.store.api_keys;
        opened.people([1]).await;
        for number in [10, 11] {
            assert_eq!(keys.create(&key(number, 1)).await, Ok(Changed::Yes));
        }
        keys.used(&[(ApiKeyId(id(10)), at(7)), (ApiKeyId(id(99)), at(7))]).await.unwrap();
        keys.used(&[(ApiKeyId(id(10)), at(6))]).await.unwrap();
        assert_eq!(keys.by_id(ApiKeyId(id(10))).await.unwrap().unwrap().used, Some(at(7)), "{}", world.name);
        assert_eq!(keys.by_id(ApiKeyId(id(11))).await.unwrap().unwrap().used, None);
    }
}
